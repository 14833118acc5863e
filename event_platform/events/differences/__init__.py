"""Differences: how what arrives is other than the catalog says, and the changes of schemas that would fit."""

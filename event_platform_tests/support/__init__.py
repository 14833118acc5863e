"""Servers, worlds and comparisons that tests share."""

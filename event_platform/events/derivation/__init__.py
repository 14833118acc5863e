"""Derived columns (`x-derive` in a schema): their rules and their evaluation."""

"""Derived columns, by `x-derive` in a schema: what they are made of, and how rows get them."""

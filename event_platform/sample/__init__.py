"""A sample stream of a language-learning product, with the faults of real streams."""

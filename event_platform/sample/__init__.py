"""A sample stream: the events of a language-learning product, with everything that goes wrong in real ones."""

"""Small files of a partition → one file."""

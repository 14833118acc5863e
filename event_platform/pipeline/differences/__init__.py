"""What arrives against what the catalog says, read from the lake: figures of files, and a bounded sample of rows."""

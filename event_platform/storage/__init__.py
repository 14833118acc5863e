"""A URI → bytes: folders and S3, conditional writes, and errors that say what to do. Nothing about events or tables."""

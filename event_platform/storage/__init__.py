"""A URI → bytes: folders and buckets, conditional writes, and errors with a remedy. No events, no tables."""

"""The filter of the stream."""

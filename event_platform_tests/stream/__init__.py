"""The way in: a producer, and a consumer that lands what a stream holds."""

"""A Lambda that Firehose asks before it delivers, and that drops redeliveries. It takes msgspec and boto3 alone."""

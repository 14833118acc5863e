"""A Lambda function that Firehose calls before delivery, and that drops redeliveries.

Imports only msgspec and boto3.
"""

"""Make the buckets that are named, where they are not there yet. An init container of docker-compose.yaml runs it."""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def make_bucket(name: str) -> str:
    """Make a bucket, unless we have it, and say which it was. Raises ClientError, as where it is somebody else's."""
    # A store that has just started may be slow to answer the first time.
    client = boto3.client("s3", config=Config(retries={"mode": "standard", "total_max_attempts": 10}))
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        client.create_bucket(Bucket=name)
        return f"{name}: made"
    return f"{name}: there already"


if __name__ == "__main__":
    for each in sys.argv[1:]:
        print(make_bucket(each))

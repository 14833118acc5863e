"""Region, addresses and errors that all AWS clients share."""

import os
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    import boto3

#: Timeouts in seconds and tries, for requests that must be answered soon.
IMPATIENT = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2, "mode": "standard"})


def region_set(session: "boto3.Session") -> str | None:
    """Return the region that a profile or a variable sets; boto3 knows one of the two, delta-rs and others both."""
    return session.region_name or os.environ.get("AWS_REGION")


def region_of(session: "boto3.Session") -> str:
    """Return the configured region, or the default region of S3."""
    return region_set(session) or "us-east-1"


def bucket_and_prefix(uri: str) -> tuple[str, str]:
    """Split s3://<bucket>/<prefix>. The prefix is empty or ends with a slash."""
    bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
    return bucket, f"{prefix}/" if prefix else ""


def code_of(error: Exception) -> str:
    """Return the error code of a service, such as AccessDenied; empty if it was not reached."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def told(error: Exception) -> str:
    """Return an error of a client in one line."""
    if isinstance(error, ClientError):
        message = error.response.get("Error", {}).get("Message", "")
        return " ".join(f"{code_of(error)}: {message}".split()).rstrip(": ")
    return " ".join(str(error).split())

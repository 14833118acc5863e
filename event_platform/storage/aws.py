"""What every client of AWS needs to know, and how to tell of what one answered."""

import os
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    import boto3

#: For what must answer soon or not at all: seconds to connect and between bytes, and tries.
IMPATIENT = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2, "mode": "standard"})


def region_set(session: "boto3.Session") -> str | None:
    """Return the region that a profile or a variable sets; boto3 knows one of the two, delta-rs and others both."""
    return session.region_name or os.environ.get("AWS_REGION")


def region_of(session: "boto3.Session") -> str:
    """Return the region that is set, or the one that S3 takes a request without a region to be for."""
    return region_set(session) or "us-east-1"


def bucket_and_prefix(uri: str) -> tuple[str, str]:
    """Return what an address s3://<bucket>/<prefix> is made of; the prefix is empty or ends with a slash."""
    bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
    return bucket, f"{prefix}/" if prefix else ""


def code_of(error: Exception) -> str:
    """Return the code that a service refused with, such as AccessDenied; empty where it was not reached."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def told(error: Exception) -> str:
    """Return an error of a client in one line."""
    if isinstance(error, ClientError):
        message = error.response.get("Error", {}).get("Message", "")
        return " ".join(f"{code_of(error)}: {message}".split()).rstrip(": ")
    return " ".join(str(error).split())

"""Region, addresses and errors that all AWS clients share."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config


def short_timeouts() -> "Config":
    """Return timeouts in seconds and tries, for requests that must be answered soon."""
    from botocore.config import Config  # noqa: PLC0415 - a run on this machine's folders needs none of it

    return Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2, "mode": "standard"})


def configured_region(session: "boto3.Session") -> str | None:
    """Return the region of a profile or a variable. boto3 does not read AWS_REGION, but other libraries do."""
    return session.region_name or os.environ.get("AWS_REGION")


def region_of(session: "boto3.Session") -> str:
    """Return the configured region, or the default region of S3."""
    return configured_region(session) or "us-east-1"


def bucket_and_prefix(uri: str) -> tuple[str, str]:
    """Split s3://<bucket>/<prefix>. The prefix is empty or ends with a slash."""
    bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
    return bucket, f"{prefix}/" if prefix else ""


def code_of(error: Exception) -> str:
    """Return the error code of a service, such as AccessDenied; empty if it was not reached."""
    return str(_answer(error).get("Code", ""))


def error_line(error: Exception) -> str:
    """Return an error of a client in one line."""
    if answer := _answer(error):
        return " ".join(f"{code_of(error)}: {answer.get('Message', '')}".split()).rstrip(": ")
    return " ".join(str(error).split())


def _answer(error: Exception) -> Mapping[str, Any]:
    """Return the answer of a service; empty if it was not reached."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - as above

    return error.response.get("Error", {}) if isinstance(error, ClientError) else {}

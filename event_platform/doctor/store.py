"""Checks of the locations of landing and the lake: folders, and on S3 credentials, permissions and the clock."""

import time
import uuid
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from event_platform.doctor.finding import Finding, bad, good, skipped
from event_platform.events.errors import StorageError
from event_platform.storage.aws import code_of, error_line, region_of, short_timeouts
from event_platform.storage.bucket import BucketStore
from event_platform.storage.clock import date_header
from event_platform.storage.store import creates_once

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Seconds between this clock and the store's: a warning at the first, and S3 refuses requests at the second.
_SKEW, _REFUSED_SKEW = 300, 900

#: Expiry of credentials is reported if it is less than this many seconds away.
_SOON = 900

_NO_ACCESS = {"403", "AccessDenied", "AllAccessDisabled"}
_WORN_OUT = {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "InvalidAccessKeyId", "RequestExpired"}


def s3_client() -> "S3Client":
    """Return a client with the standard settings and short timeouts."""
    session = boto3.Session()
    return session.client("s3", region_name=region_of(session), config=short_timeouts())


def check_credentials() -> Finding:
    """Report the identity behind the credentials, their source and their expiry; never the credentials."""
    name, session = "credentials", boto3.Session()
    credentials = session.get_credentials()
    if credentials is None:
        return bad(
            name,
            "none found",
            "set AWS_PROFILE, give the task or machine a role, or set AWS_ACCESS_KEY_ID and its secret",
        )
    expiry: datetime | None = getattr(credentials, "_expiry_time", None)  # botocore has no public name for it
    until = "" if expiry is None else f", until {expiry.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    renewed = hasattr(credentials, "_refresh_using")
    if expiry is not None and not renewed and (expiry - datetime.now(UTC)).total_seconds() < _SOON:
        return bad(name, f"from {credentials.method}{until}", "get new ones, such as with aws sso login")
    try:
        who = session.client("sts", region_name=region_of(session), config=short_timeouts()).get_caller_identity()
    except ClientError as error:
        return bad(name, f"from {credentials.method}: {error_line(error)}", "get new ones, such as with aws sso login")
    except BotoCoreError as error:  # in a closed network: only this check needs STS
        return skipped(
            name,
            f"from {credentials.method}{until}; STS, which knows their identity, does not answer: {error_line(error)}",
        )
    return good(name, f"{who['Arn']}, from {credentials.method}{until}")


def check_bucket(name: str, uri: str, client: "S3Client", region: str) -> Finding:
    """Check that a bucket exists, is accessible, and is in the configured region."""
    bucket = uri.removeprefix("s3://").partition("/")[0]
    try:
        answer: Any = client.head_bucket(Bucket=bucket)
    except ClientError as error:
        answer = error.response
        if (actual := _region_in(answer)) and actual != region:
            return _wrong_region(name, bucket, actual, region)
        if code_of(error) == "404":
            return bad(name, f"{bucket}: no such bucket", f"create it, or correct EVENT_PLATFORM_{name.upper()}")
        return bad(name, f"{bucket}: {error_line(error)}", _access(error, "s3:ListBucket on the bucket"))
    except BotoCoreError as error:
        return bad(name, f"{bucket}: {error_line(error)}", "check the endpoint, the network and AWS_REGION")
    actual = _region_in(answer)
    if actual and actual != region:
        return _wrong_region(name, bucket, actual, region)
    return good(name, f"bucket {bucket} in {actual or 'an unknown region'}")


def check_reading(store: BucketStore) -> Finding:
    """Check that landing can be listed and one of its objects can be read."""
    name = "read landing"
    try:
        listed = next(store.pages(""), [])
        first = next((entry for entry in listed if entry.size), None)
        if first is None:
            return good(name, f"{store.root} can be listed; it contains no object to read yet")
        store.read_range(first.name, 0, 1)
    except StorageError as error:
        return bad(name, error.fault, error.remedy)
    return good(name, f"{store.root} can be listed, and {first.name} read")


def check_writing(store: BucketStore) -> Finding:
    """Check that an object can be written to the lake, read and deleted."""
    name, folder = "write lake", f"_doctor-{uuid.uuid4().hex}/"
    try:
        store.write(f"{folder}probe", b"doctor")
        store.read(f"{folder}probe")
        store.remove_folder(folder)
    except StorageError as error:
        return bad(name, error.fault, error.remedy)
    return good(name, f"{store.root}: an object was written, read and deleted")


def check_conditional_put(store: BucketStore) -> Finding:
    """Check that the store refuses the second of two conditional puts; see storage.store."""
    name = "conditional put"
    try:
        refuses = creates_once(store)
    except StorageError as error:
        return bad(name, error.fault, error.remedy)
    if not refuses:
        return bad(
            name,
            f"{store.root}: the store ignores If-None-Match",
            "use a store with conditional puts, as S3 has: without them, commits are lost",
        )
    return good(name, "the store refuses the second of two writers")


def check_folder(name: str, path: Path, *, written: bool) -> Finding:
    """Check that a folder can be read, or, if `written`, written; in that case it need not exist yet."""
    remedy = f"create it, or correct EVENT_PLATFORM_{name.upper()}"
    try:
        if not path.is_dir() and not written:
            return bad(name, f"{path}: no such folder", remedy)
        folder = next(parent for parent in (path, *path.parents) if parent.is_dir())
        next(folder.iterdir(), None)
        if written:
            probe = folder / f"_doctor-{uuid.uuid4().hex}"
            probe.write_bytes(b"doctor")
            probe.unlink()
    except OSError as error:
        return bad(name, f"{path}: {error.strerror}", "allow the user of this process to read and write it")
    return good(name, f"{path}{'' if path.is_dir() else '; created by the first run'}")


def check_clock(endpoint: str, now: float | None = None) -> Finding:
    """Check this clock against the Date header of the store, which every answer has, also a refusal."""
    name, started = "clock", time.time()
    try:
        date = date_header(endpoint)
    except OSError as error:
        return skipped(name, f"{endpoint} cannot be reached: {error}")
    if date is None:
        return skipped(name, f"{endpoint} does not report the time")
    halfway = (started + time.time()) / 2 if now is None else now
    skew = halfway - parsedate_to_datetime(date).timestamp()
    shown = f"{abs(skew):.0f} seconds {'ahead of' if skew > 0 else 'behind'} {endpoint}"
    if abs(skew) > _SKEW:
        refused = (
            ", which refuses every request" if abs(skew) > _REFUSED_SKEW else f"; beyond {_REFUSED_SKEW} it refuses"
        )
        return bad(name, f"{shown}{refused}", "set the clock: run chrony or the time service of the host")
    return good(name, shown)


def _region_in(answer: Any) -> str | None:
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region: str | None = answer.get("BucketRegion") or headers.get("x-amz-bucket-region")
    return region


def _wrong_region(name: str, bucket: str, actual: str, region: str) -> Finding:
    return bad(name, f"bucket {bucket} is in {actual}, but the region is set to {region}", f"set AWS_REGION={actual}")


def _access(error: Exception, permission: str) -> str:
    code = code_of(error)
    if code in _NO_ACCESS:
        return f"allow {permission}"
    if code == "NoSuchBucket":
        return "create the bucket, or correct the address"
    return "get new credentials" if code in _WORN_OUT else "check the endpoint, the network and the credentials"

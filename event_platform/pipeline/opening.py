"""Opening landing and the lake where they are, with what the standard AWS variables and profiles say."""

from pathlib import Path

import boto3

from event_platform.events.errors import SettingError
from event_platform.lake.lake import Lake
from event_platform.landing.landing import FolderLanding, Landing, S3Landing
from event_platform.storage.aws import bucket_and_prefix, region_of
from event_platform.storage.s3 import lasting_keys
from event_platform.storage.storage import Storage


def open_landing(uri: str) -> Landing:
    """Open a landing zone: a folder, or s3://<bucket>/<prefix>."""
    return S3Landing(*bucket_and_prefix(uri), {}) if is_s3(uri) else FolderLanding(Path(uri))


def open_lake(uri: str) -> Lake:
    """Open a lake: a folder, or s3://<bucket>/<prefix>. Raises SettingError where there are no credentials for it."""
    if not is_s3(uri):
        return Lake(Storage(uri))
    session = boto3.Session()
    settings = s3_settings(uri, session, endpoint_url(session))
    return Lake(Storage(uri, {**settings, **client_settings(settings)}))


def is_s3(uri: str) -> bool:
    """Say whether an address is one on S3."""
    return uri.startswith("s3://")


def s3_settings(uri: str, session: boto3.Session, address: str) -> dict[str, str]:
    """Return what delta-rs and polars have to know of S3, as they call it; keys only where they are not renewed.

    `address` is where S3 is (see `endpoint_url`). Raises SettingError where there are no credentials.
    """
    credentials = session.get_credentials()
    if credentials is None:
        raise SettingError(
            f"{uri}: no AWS credentials found; set AWS_PROFILE or AWS_ACCESS_KEY_ID and its secret, or run it "
            "where a role gives some"
        )
    endpoint = {} if address.endswith(".amazonaws.com") else {"endpoint": address}
    return {**lasting_keys(credentials), "region": region_of(session), **endpoint}


def client_settings(settings: dict[str, str]) -> dict[str, str]:
    """Return what their HTTP clients have to know beside it."""
    return {"allow_http": "True"} if settings.get("endpoint", "").startswith("http://") else {}


def endpoint_url(session: boto3.Session) -> str:
    """Return the endpoint that AWS_ENDPOINT_URL or the profile sets, or that of AWS itself.

    The client that says it takes a tenth of a second to make.
    """
    return str(session.client("s3", region_name=region_of(session)).meta.endpoint_url)

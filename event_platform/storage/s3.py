"""AWS credentials, region and endpoint for S3, and a boto3 client for operations that need boto3.

Importing this module takes a quarter of a second, nearly all of it for boto3, so callers that may not need S3 import it
where they use it.
"""

import os
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from obstore.auth.boto3 import Boto3CredentialProvider

from event_platform.events.errors import SettingError
from event_platform.storage.aws import region_of
from event_platform.storage.clients import patience

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Seconds for which keys are used before boto3, which renews them, is asked again.
_KEY_SECONDS = 2


def find_options(uri: str) -> dict[str, str]:
    """Return the S3 options of a URI from the standard AWS variables and profiles.

    Raises SettingError without credentials.
    """
    settings = s3_settings(uri, boto3.Session(), _endpoint(_variables()))
    return {**settings, **client_settings(settings)}


def s3_settings(uri: str, session: boto3.Session, address: str) -> dict[str, str]:
    """Return the S3 options of obstore, delta-rs and polars; keys are included only if they are permanent.

    `address` is the endpoint of S3 (see `endpoint_url`). Raises SettingError without credentials.
    """
    credentials = session.get_credentials()
    if credentials is None:
        raise SettingError(
            f"{uri}: no AWS credentials found; set AWS_PROFILE or AWS_ACCESS_KEY_ID and its secret, or run it "
            "where a role gives some"
        )
    endpoint = {} if address.endswith(".amazonaws.com") else {"endpoint": address}
    return {**lasting_keys(credentials), "region": region_of(session), **endpoint}


def client_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the options of their HTTP clients."""
    return {"allow_http": "True"} if settings.get("endpoint", "").startswith("http://") else {}


def endpoint_url(session: boto3.Session) -> str:
    """Return the endpoint of AWS_ENDPOINT_URL or the profile, else that of AWS.

    Creating the client that knows it takes a tenth of a second.
    """
    return str(session.client("s3", region_name=region_of(session)).meta.endpoint_url)


@lru_cache(maxsize=1)
def _endpoint(variables: tuple[tuple[str, str], ...]) -> str:  # noqa: ARG001 - others, another endpoint
    return endpoint_url(boto3.Session())


def lasting_keys(credentials: Credentials) -> dict[str, str]:
    """Return permanent keys for a storage's options; empty if they are renewed, like those of a role.

    Renewed keys are fetched when needed.
    """
    return {} if isinstance(credentials, RefreshableCredentials) else _as_options(credentials)


def current_keys(options: Mapping[str, str]) -> dict[str, str]:
    """Return the current keys that delta-rs lacks in some options.

    delta-rs itself would request a role's keys for each table, which ECS refuses from 60 requests at a time.
    """
    return {} if "access_key_id" in options else _as_options(_credentials(options))


def polars_credential_provider(options: Mapping[str, str]) -> Any:
    """Return polars' provider of renewed keys, or None if the options contain keys."""
    return None if "access_key_id" in options else _keys_for_polars


def obstore_credential_provider(options: Mapping[str, str]) -> Any:
    """Return obstore's credential provider: the keys in the options, else those of boto3. Raises NoCredentialsError."""
    if "access_key_id" in options:  # not as options: obstore would add the session token of the variables
        keys = {name: options.get(name) for name in ("access_key_id", "secret_access_key", "token")}
        return lambda: {**keys, "expires_at": None}
    _credentials(options).get_frozen_credentials()  # errors of boto3 are not readable through obstore
    return Boto3CredentialProvider(_session_for(options), ttl=timedelta(seconds=_KEY_SECONDS))


def client_options(options: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of obstore's HTTP client that come from AWS variables and from a store's options."""
    bundle = options.get("ca_bundle") or os.environ.get("AWS_CA_BUNDLE")
    return {
        "allow_http": options.get("endpoint", "").startswith("http://"),
        "allow_invalid_certificates": options.get("verify") == "False",
        **({"root_certificate": Path(bundle).read_bytes()} if bundle else {}),
    }


def client(options: Mapping[str, str]) -> "S3Client":
    """Return a boto3 client for the options of a store, cached because creating one takes a tenth of a second."""
    return _client(tuple(sorted(options.items())), _variables())


@lru_cache(maxsize=2)
def _client(options: tuple[tuple[str, str], ...], variables: tuple[tuple[str, str], ...]) -> "S3Client":  # noqa: ARG001
    store_options, chosen = dict(options), patience()
    return _session_for(store_options).client(
        "s3",
        aws_access_key_id=store_options.get("access_key_id"),
        aws_secret_access_key=store_options.get("secret_access_key"),
        aws_session_token=store_options.get("token"),
        region_name=store_options.get("region"),
        endpoint_url=store_options.get("endpoint"),
        config=Config(
            retries={"mode": "standard", "total_max_attempts": chosen.tries},
            connect_timeout=chosen.connect,
            read_timeout=chosen.read,
        ),
    )


def bucket_region(bucket: str, options: Mapping[str, str]) -> str:
    """Return the region of a bucket, which S3 reports even if access is denied. Empty if that fails."""
    try:
        answer: Any = client(options).head_bucket(Bucket=bucket)
    except ClientError as error:
        answer = error.response
    except BotoCoreError:
        return ""
    return str(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region", ""))


def _keys_for_polars() -> tuple[dict[str, str | None], int]:
    """Return the current keys, expiring at once, because boto3 knows when to renew them."""
    keys = _as_options(_credentials({}))
    names = {"access_key_id": "aws_access_key_id", "secret_access_key": "aws_secret_access_key"}
    polars_keys = {names.get(name, "aws_session_token"): value for name, value in keys.items()}
    return {**polars_keys}, int(time.time()) + _KEY_SECONDS


def _credentials(options: Mapping[str, str]) -> Credentials:
    credentials = _session_for(options).get_credentials()
    if credentials is None:
        raise NoCredentialsError
    return credentials


def _as_options(credentials: Credentials) -> dict[str, str]:
    frozen = credentials.get_frozen_credentials()
    values = {"access_key_id": frozen.access_key, "secret_access_key": frozen.secret_key, "token": frozen.token}
    return {name: value for name, value in values.items() if value}


def _session_for(options: Mapping[str, str]) -> boto3.Session:
    return _session(options.get("profile"), _variables())


@lru_cache(maxsize=2)
def _session(profile: str | None, variables: tuple[tuple[str, str], ...]) -> boto3.Session:  # noqa: ARG001 - others, another session
    """Return this process's session, which renews credentials a quarter of an hour before they expire."""
    return boto3.Session(profile_name=profile)


def _variables() -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))

"""How the platform talks to S3: with which keys, and how often each library tries again.

Three libraries do: boto3 lists, reads and writes objects, delta-rs opens and commits to tables, polars reads files.
"""

import os
import random
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

#: Tries of a request, with pauses that grow to 20 seconds: about a minute of throttling is waited out.
_TRIES = 10

#: Seconds to wait for a connection, and for more of an answer.
_CONNECT, _READ = 10, 30

#: Seconds for which polars may use keys before it asks for them again.
_ASK_AGAIN = 2

#: Seconds after which a request is not tried again.
_PATIENCE = 120


def tries() -> int:
    """Return how often a request is made at most: AWS_MAX_ATTEMPTS, as for all of AWS, or ten times."""
    told = os.environ.get("AWS_MAX_ATTEMPTS", "")
    return int(told) if told.isascii() and told.isdecimal() and int(told) else _TRIES


def config() -> Config:
    """Return what makes a client of boto3 patient, and end its patience."""
    retries = {"mode": "standard", "total_max_attempts": tries()}
    return Config(retries=retries, connect_timeout=_CONNECT, read_timeout=_READ)  # type: ignore[arg-type]


def client(options: Mapping[str, str]) -> "S3Client":
    """Return a client for the options of a storage. One for each process: to make one takes as long as 100 writes."""
    return _client(tuple(sorted(options.items())), _variables())


@lru_cache(maxsize=2)
def _client(options: tuple[tuple[str, str], ...], variables: tuple[tuple[str, str], ...]) -> "S3Client":
    known = dict(options)
    return _session(variables).client(
        "s3",
        aws_access_key_id=known.get("access_key_id"),
        aws_secret_access_key=known.get("secret_access_key"),
        aws_session_token=known.get("token"),
        region_name=known.get("region"),
        endpoint_url=known.get("endpoint"),
        config=config(),
    )


def read_object(s3: "S3Client", bucket: str, key: str, span: tuple[int, int] | None = None) -> bytes:
    """Return the content of an object, also where the answer breaks off now and then, which boto3 leaves to others.

    With a `span`, only the bytes from its first to its last one.
    """
    wanted: GetObjectRequestTypeDef = {"Bucket": bucket, "Key": key}
    if span is not None:
        wanted["Range"] = f"bytes={span[0]}-{span[1]}"
    for number in range(tries() - 1):
        try:
            return s3.get_object(**wanted)["Body"].read()
        except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
            time.sleep(random.uniform(0, min(0.2 * 2**number, 20)))  # noqa: S311 - spreads readers, keeps no secret
    return s3.get_object(**wanted)["Body"].read()


def lasting_keys(credentials: Credentials) -> dict[str, str]:
    """Return the keys for a storage's options; none where they are renewed, as those of a role.

    Such keys are asked for when they are needed: see `for_delta`; boto3 and polars do so by themselves.
    """
    return {} if isinstance(credentials, RefreshableCredentials) else _as_options(credentials)


def for_delta(options: Mapping[str, str]) -> dict[str, str]:
    """Return the options as delta-rs takes them, with the keys of now.

    By itself it would ask for a role's keys anew for each table, which ECS refuses from 60 at a time.
    """
    return {
        **options,
        **({} if "access_key_id" in options else _keys_of_now(_variables())),
        "max_retries": f"{tries() - 1}",
        "retry_timeout": f"{_PATIENCE}s",
        "backoff_config.init_backoff": "200ms",
        "backoff_config.max_backoff": "20s",
        "backoff_config.base": "3",
        "connect_timeout": f"{_CONNECT}s",
        "timeout": f"{_READ}s",  # for a whole answer: those of a log are small
    }


def for_polars(options: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of a scan: the options as polars takes them, and whom it asks for keys that are renewed."""
    storage_options = {
        **options,
        "max_retries": tries() - 1,
        "retry_timeout_ms": 1000 * _PATIENCE,
        "retry_init_backoff_ms": 200,
        "retry_max_backoff_ms": 20_000,
        "retry_base_multiplier": 3,
        "connect_timeout": f"{_CONNECT}s",
        "read_timeout": f"{_READ}s",
    }
    return {
        "storage_options": storage_options,
        "credential_provider": None if "access_key_id" in options else _keys_for_polars,
    }


def _keys_for_polars() -> tuple[dict[str, str | None], int]:
    """Return the keys of now, and when to ask again: at once, for boto3 knows when there are new ones."""
    keys = _keys_of_now(_variables())
    names = {"access_key_id": "aws_access_key_id", "secret_access_key": "aws_secret_access_key"}
    renamed = {names.get(name, "aws_session_token"): value for name, value in keys.items()}
    return {**renamed}, int(time.time()) + _ASK_AGAIN


def _keys_of_now(variables: tuple[tuple[str, str], ...]) -> dict[str, str]:
    credentials = _session(variables).get_credentials()
    return _as_options(credentials) if credentials is not None else {}


def _as_options(credentials: Credentials) -> dict[str, str]:
    now = credentials.get_frozen_credentials()
    found = {"access_key_id": now.access_key, "secret_access_key": now.secret_key, "token": now.token}
    return {name: value for name, value in found.items() if value}


@lru_cache(maxsize=1)
def _session(variables: tuple[tuple[str, str], ...]) -> boto3.Session:  # noqa: ARG001 - others, another session
    """One for each process: it asks for new credentials a quarter of an hour before the old ones expire."""
    return boto3.Session()


def _variables() -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))

"""Dagster resources: landing, the lake, the pool, and the figures that rules and checks go by."""

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
from dagster_aws.s3 import S3Resource
from dagster_deltalake import LocalConfig, S3Config
from dagster_deltalake.config import ClientConfig
from pydantic import Field, PrivateAttr

from event_platform.compute import local_pool
from event_platform.environment import Environment
from event_platform.events.errors import SettingError
from event_platform.lake.lake import Lake
from event_platform.lake.landing import FolderLanding, Landing, S3Landing
from event_platform.lake.storage import Storage


class LandingResource(dg.ConfigurableResource["LandingResource"]):
    """Where objects land: a folder, or an S3 prefix that `s3` opens."""

    uri: str = Field(description="A folder, or s3://<bucket>/<prefix>")
    s3: dg.ResourceDependency[S3Resource]

    def open(self) -> Landing:
        """Return the landing zone, ready to be listed and read, here and in other processes."""
        if not self.uri.startswith("s3://"):
            return FolderLanding(Path(self.uri))
        bucket, _, prefix = self.uri.removeprefix("s3://").rstrip("/").partition("/")
        settings = {
            "region_name": self.s3.region_name,
            "endpoint_url": self.s3.endpoint_url,
            "use_ssl": self.s3.use_ssl,
            "verify": self.s3.verify,
            "profile_name": self.s3.profile_name,
            "max_attempts": self.s3.max_attempts,
            "aws_access_key_id": self.s3.aws_access_key_id,
            "aws_secret_access_key": self.s3.aws_secret_access_key,
            "aws_session_token": self.s3.aws_session_token,
        }
        return S3Landing(bucket, f"{prefix}/" if prefix else "", settings, self.s3.get_client())


class LakeResource(dg.ConfigurableResource["LakeResource"]):
    """Where tables live: a folder, or an S3 prefix.

    Credentials come from the standard AWS variables and profiles when they are needed; they are no part of the
    resource's configuration, so that nothing that shows it can show them.
    """

    uri: str = Field(description="A folder, or s3://<bucket>/<prefix>")

    def open(self) -> Lake:
        """Return the lake's tables."""
        return Lake(Storage(self.uri, self._options()))

    def _options(self) -> dict[str, str]:
        client = self._client_options()
        return {**self._config().str_dict(), **(client.str_dict() if client else {})}

    def _config(self) -> S3Config | LocalConfig:
        if not self.uri.startswith("s3://"):
            return LocalConfig()
        session = boto3.Session()
        credentials = session.get_credentials()
        if credentials is None:
            raise SettingError(
                f"{self.uri}: no AWS credentials found; set AWS_PROFILE or AWS_ACCESS_KEY_ID and its secret"
            )
        frozen = credentials.get_frozen_credentials()
        return S3Config(
            access_key_id=frozen.access_key,
            secret_access_key=frozen.secret_key,
            token=frozen.token,
            region=_region(session),
            endpoint=_endpoint(session),
        )

    def _client_options(self) -> ClientConfig | None:
        if not self.uri.startswith("s3://"):
            return None
        plain = (_endpoint(boto3.Session()) or "").startswith("http://")
        return ClientConfig(allow_http=True) if plain else None


class ComputeResource(dg.ConfigurableResource["ComputeResource"]):
    """Where tasks run: a process pool on this machine, open for the length of a run."""

    workers: int = Field(default=0, description="Processes of the pool; 0 for one a core")
    _executor: Executor = PrivateAttr()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["ComputeResource"]:  # noqa: ARG002
        """Hold the pool open while a run uses it."""
        with local_pool(self.workers or None) as self._executor:
            yield self

    @property
    def executor(self) -> Executor:
        """The pool."""
        return self._executor


class RulesResource(dg.ConfigurableResource["RulesResource"]):
    """The figures that the rules and the checks go by."""

    deduplication_window_days: int = Field(
        default=7, ge=0, description="A record is compared with those that arrived up to this many days earlier"
    )
    corruption_warn_above: float = Field(default=0.001, ge=0, le=1, description="Share of corrupt records that warns")
    corruption_error_above: float = Field(default=0.05, ge=0, le=1, description="Share of corrupt records that fails")
    duplicates_warn_above: float = Field(default=0.05, ge=0, le=1, description="Share of redeliveries that warns")


@dataclass(frozen=True)
class Resources:
    """The resources of an environment, under the names that assets and checks ask for."""

    landing: LandingResource
    lake: LakeResource
    compute: ComputeResource
    rules: RulesResource

    def by_name(self) -> dict[str, Any]:
        """Return them as Dagster takes them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def build_resources(environment: Environment) -> Resources:
    """Return the resources of an environment."""
    return Resources(
        landing=LandingResource(uri=environment.landing, s3=S3Resource()),
        lake=LakeResource(uri=environment.lake),
        compute=ComputeResource(),
        rules=RulesResource(),
    )


def _endpoint(session: boto3.Session) -> str | None:
    """Return the endpoint that AWS_ENDPOINT_URL or the profile sets; None for AWS itself."""
    client = session.client("s3", region_name=_region(session))
    url = client.meta.endpoint_url
    return None if url.endswith(".amazonaws.com") else url


def _region(session: boto3.Session) -> str:
    """Return the region that a profile or a variable sets; boto3 knows one of the two, delta-rs and others both."""
    return session.region_name or os.environ.get("AWS_REGION") or "us-east-1"

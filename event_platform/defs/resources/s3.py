"""Dagster resources on S3 and compatible stores.

Credentials come from the standard AWS variables and profiles when they are needed. They are not part of the
configuration of a resource, because Dagster shows that.
"""

from typing import Any

import boto3
from dagster import ResourceDependency
from dagster_aws.s3 import S3Resource
from dagster_deltalake import S3Config
from dagster_deltalake.config import ClientConfig
from pydantic import Field, PrivateAttr

from event_platform.defs.resources.platform import LakeResource, LandingResource
from event_platform.lake.lake import Lake
from event_platform.landing.bucket import BucketLanding
from event_platform.landing.landing import Landing
from event_platform.landing.zones import time_zone
from event_platform.storage.bucket import BucketStore
from event_platform.storage.s3 import client_settings, endpoint_url, s3_settings
from event_platform.storage.storage import Storage


class S3LandingResource(LandingResource):
    """A landing zone in a bucket, below a prefix, opened with `s3`."""

    uri: str = Field(description="s3://<bucket>/<prefix>")
    s3: ResourceDependency[S3Resource]
    _options: dict[str, str] = PrivateAttr(default_factory=dict)

    def open(self) -> Landing:
        """See LandingResource."""
        # Looked up once: each tick of a sensor opens landing.
        self._options = self._options or _options_of(self.s3)
        return BucketLanding(BucketStore(self.uri, self._options), time_zone(self.timezone))


class S3LakeResource(LakeResource):
    """A lake in a bucket, below a prefix."""

    uri: str = Field(description="s3://<bucket>/<prefix>")
    _address: str = PrivateAttr("")

    @property
    def address(self) -> str:
        """See LakeResource."""
        return self.uri

    def open(self) -> Lake:
        """See LakeResource."""
        session = boto3.Session()
        # Looked up once: each step and each check opens the lake.
        self._address = self._address or endpoint_url(session)
        settings: dict[str, Any] = {**s3_settings(self.uri, session, self._address)}
        client = ClientConfig(allow_http=True).str_dict() if client_settings(settings) else {}
        return Lake(Storage(self.uri, {**S3Config(**settings).str_dict(), **client}))


def _options_of(s3: S3Resource) -> dict[str, str]:
    """Return store options that match a resource's client; keys are included only if the resource has them."""
    client = s3.get_client()
    settings = {"endpoint": client.meta.endpoint_url, "region": client.meta.region_name}
    options = {
        **settings,
        **client_settings(settings),
        "access_key_id": s3.aws_access_key_id,
        "secret_access_key": s3.aws_secret_access_key,
        "token": s3.aws_session_token,
        "profile": s3.profile_name,
        "verify": "False" if s3.verify is False else None,
        "ca_bundle": s3.verify if isinstance(s3.verify, str) else None,
    }
    return {name: value for name, value in options.items() if value}

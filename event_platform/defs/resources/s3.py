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
from event_platform.landing.landing import Landing, S3Landing
from event_platform.pipeline.opening import client_settings, endpoint_url, s3_settings
from event_platform.storage.aws import bucket_and_prefix
from event_platform.storage.storage import Storage


class S3LandingResource(LandingResource):
    """A landing zone in a bucket, below a prefix, opened with `s3`."""

    uri: str = Field(description="s3://<bucket>/<prefix>")
    s3: ResourceDependency[S3Resource]

    def open(self) -> Landing:
        """See LandingResource."""
        settings = {
            "region_name": self.s3.region_name,
            "endpoint_url": self.s3.endpoint_url,
            "use_ssl": self.s3.use_ssl,
            "verify": self.s3.verify,
            "profile_name": self.s3.profile_name,
            "aws_access_key_id": self.s3.aws_access_key_id,
            "aws_secret_access_key": self.s3.aws_secret_access_key,
            "aws_session_token": self.s3.aws_session_token,
        }
        return S3Landing(*bucket_and_prefix(self.uri), settings)


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

"""Dagster resources on S3, or on whatever speaks its protocol.

Credentials come from the standard AWS variables and profiles when they are needed; they are no part of a resource's
configuration, so that nothing that shows it can show them.
"""

import boto3
from dagster import ResourceDependency
from dagster_aws.s3 import S3Resource
from dagster_deltalake import S3Config
from dagster_deltalake.config import ClientConfig
from pydantic import Field, PrivateAttr

from event_platform.events.errors import SettingError
from event_platform.lake.aws import bucket_and_prefix, region_of
from event_platform.lake.lake import Lake
from event_platform.lake.landing import Landing, S3Landing
from event_platform.lake.s3 import lasting_keys
from event_platform.lake.storage import Storage
from event_platform.resources import LakeResource, LandingResource


class S3LandingResource(LandingResource):
    """Objects land in a bucket, below a prefix, which `s3` opens."""

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
    """Tables live in a bucket, below a prefix."""

    uri: str = Field(description="s3://<bucket>/<prefix>")
    _address: str = PrivateAttr("")

    def open(self) -> Lake:
        """See LakeResource."""
        session = boto3.Session()
        credentials = session.get_credentials()
        if credentials is None:
            raise SettingError(
                f"{self.uri}: no AWS credentials found; set AWS_PROFILE or AWS_ACCESS_KEY_ID and its secret, or run it "
                "where a role gives some"
            )
        keys, endpoint = lasting_keys(credentials), self._endpoint(session)
        config = S3Config(
            access_key_id=keys.get("access_key_id"),
            secret_access_key=keys.get("secret_access_key"),
            token=keys.get("token"),
            region=region_of(session),
            endpoint=endpoint,
        )
        client = ClientConfig(allow_http=True).str_dict() if (endpoint or "").startswith("http://") else {}
        return Lake(Storage(self.uri, {**config.str_dict(), **client}))

    def _endpoint(self, session: boto3.Session) -> str | None:
        """Return the endpoint that AWS_ENDPOINT_URL or the profile sets; None for AWS itself.

        It is looked up once: the client that tells it takes a tenth of a second to make, and each step and check opens
        the lake.
        """
        self._address = self._address or session.client("s3", region_name=region_of(session)).meta.endpoint_url
        return None if self._address.endswith(".amazonaws.com") else self._address

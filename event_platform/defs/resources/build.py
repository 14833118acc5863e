"""The resources of an environment."""

from typing import Any

from event_platform.defs.io_manager import LakeIOManager
from event_platform.defs.resources.platform import (
    BucketLakeResource,
    BucketLandingResource,
    ComputeResource,
    FolderLakeResource,
    FolderLandingResource,
    LakeResource,
    LandingResource,
    PublishingResource,
    RulesResource,
)
from event_platform.environment import Environment


def build_resources(environment: Environment) -> dict[str, Any]:
    """Return the resources of an environment, under the names that assets and checks ask for."""
    lake = _lake_resource(environment.lake)
    publishing = PublishingResource(glue_database=environment.glue_database or "", iceberg=environment.iceberg or "")
    return {
        "landing": _landing_resource(environment.landing, environment.landing_timezone),
        "lake": lake,
        "io_manager": LakeIOManager(lake=lake, publishing=publishing),
        "compute": ComputeResource(compute=environment.compute),
        "rules": RulesResource(),
        "publishing": publishing,
    }


def _landing_resource(uri: str, timezone: str) -> LandingResource:
    if uri.startswith("s3://"):
        # Both take long to import, and a folder does not need them.
        from dagster_aws.s3 import S3Resource  # noqa: PLC0415

        from event_platform.defs.resources.s3 import S3LandingResource  # noqa: PLC0415

        return S3LandingResource(uri=uri, timezone=timezone, s3=S3Resource())
    if "://" in uri:
        return BucketLandingResource(uri=uri, timezone=timezone)
    return FolderLandingResource(folder=uri, timezone=timezone)


def _lake_resource(uri: str) -> LakeResource:
    if uri.startswith("s3://"):
        from event_platform.defs.resources.s3 import S3LakeResource  # noqa: PLC0415 - as above

        return S3LakeResource(uri=uri)
    return BucketLakeResource(uri=uri) if "://" in uri else FolderLakeResource(folder=uri)

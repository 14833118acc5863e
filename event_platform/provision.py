"""Which landing zone, lake and resources an environment has. Dagster is imported only where it is called for."""

from typing import Any

from event_platform.environment import Environment
from event_platform.lake.opening import is_s3, open_lake, open_landing

__all__ = ["build_resources", "open_lake", "open_landing"]


def build_resources(environment: Environment) -> dict[str, Any]:
    """Return the resources of an environment, under the names that assets and checks ask for."""
    from event_platform.io_manager import LakeIOManager  # noqa: PLC0415
    from event_platform.resources import ComputeResource, GlueResource, RulesResource  # noqa: PLC0415

    lake, glue = _lake_resource(environment.lake), GlueResource(database=environment.glue_database or "")
    return {
        "landing": _landing_resource(environment.landing),
        "lake": lake,
        "io_manager": LakeIOManager(lake=lake, glue=glue),
        "compute": ComputeResource(compute=environment.compute),
        "rules": RulesResource(),
        "glue": glue,
    }


def _landing_resource(uri: str) -> Any:
    if is_s3(uri):
        from dagster_aws.s3 import S3Resource  # noqa: PLC0415

        from event_platform.resources_s3 import S3LandingResource  # noqa: PLC0415

        return S3LandingResource(uri=uri, s3=S3Resource())
    from event_platform.resources import FolderLandingResource  # noqa: PLC0415

    return FolderLandingResource(folder=uri)


def _lake_resource(uri: str) -> Any:
    if is_s3(uri):
        from event_platform.resources_s3 import S3LakeResource  # noqa: PLC0415

        return S3LakeResource(uri=uri)
    from event_platform.resources import FolderLakeResource  # noqa: PLC0415

    return FolderLakeResource(folder=uri)

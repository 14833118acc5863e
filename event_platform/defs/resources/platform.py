"""Dagster resources: landing, the lake, where tasks run, and the figures that rules and checks go by.

Those of S3 are in `resources.s3`: to import what they build on takes as long as all the rest.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
from pydantic import Field

from event_platform.compute.executor import open_executor
from event_platform.compute.pool import prepare
from event_platform.defs.instance.claim import keep_claim, require_own_instance
from event_platform.environment import LOCAL_COMPUTE
from event_platform.events.errors import TableError
from event_platform.lake.lake import Lake
from event_platform.landing.folder import FolderLanding
from event_platform.landing.landing import Landing
from event_platform.landing.pieces import DEFAULT_LIMITS, Limits
from event_platform.pipeline.opening import open_lake, open_landing
from event_platform.publishing.glue import GlueDatabase, open_glue
from event_platform.storage.storage import Storage


class LandingResource(dg.ConfigurableResource["LandingResource"], ABC):
    """Where objects land."""

    @abstractmethod
    def open(self) -> Landing:
        """Return the landing zone, ready to be listed and read, here and in other processes."""


class FolderLandingResource(LandingResource):
    """Objects land in a folder."""

    folder: str

    def open(self) -> Landing:
        """See LandingResource."""
        return FolderLanding(Path(self.folder))


class BucketLandingResource(LandingResource):
    """Objects land in a bucket of Google or a container of Azure, whose standard variables open it."""

    uri: str = Field(description="gs://<bucket>/<prefix> or az://<container>/<prefix>")

    def open(self) -> Landing:
        """See LandingResource."""
        return open_landing(self.uri)


class LakeResource(dg.ConfigurableResource["LakeResource"], ABC):
    """Where tables live."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where they are: a folder, or <scheme>://<bucket>/<prefix>."""

    @abstractmethod
    def open(self) -> Lake:
        """Return the lake's tables."""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Refuse to work in the Dagster instance of another lake; whoever works outside of runs claims it.

        Those are the sensors and schedules of a code location: they are there for as long as it is.
        """
        if context.instance is not None:
            claim = require_own_instance if context.run else keep_claim
            claim(context.instance, self.address)

    def scan(
        self, name: str, partitions: Iterable[str] | None = None, columns: Collection[str] | None = None
    ) -> pl.LazyFrame:
        """Scan a table by the name of its asset key, such as `events/lesson_started`.

        `partitions` are keys, such as a context's `partition_keys` or `["2025-06-02"]`; without them, or without
        `columns`, all are read. Nothing is read before the frame is collected, and then only what it needs. Raises
        TableError for an unknown table or column, and for a key that is no date.
        """
        return self.open().scan(name, None if partitions is None else dates_in(partitions), columns)


class FolderLakeResource(LakeResource):
    """Tables live in a folder."""

    folder: str

    @property
    def address(self) -> str:
        """See LakeResource."""
        return self.folder

    def open(self) -> Lake:
        """See LakeResource."""
        return Lake(Storage(self.folder))


class BucketLakeResource(LakeResource):
    """Tables live in a bucket of Google or a container of Azure, whose standard variables open it."""

    uri: str = Field(description="gs://<bucket>/<prefix> or az://<container>/<prefix>")

    @property
    def address(self) -> str:
        """See LakeResource."""
        return self.uri

    def open(self) -> Lake:
        """See LakeResource."""
        return open_lake(self.uri)


class ComputeResource(dg.ConfigurableResource["ComputeResource"]):
    """Where tasks run: a process pool on this machine or a Dask cluster."""

    compute: str = Field(default=LOCAL_COMPUTE, description="local, or the address of a Dask scheduler")
    workers: int = Field(default=0, description="Processes of the pool; 0 for one a core")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Import what workers need while Dagster still prepares the run."""
        if self.compute == LOCAL_COMPUTE:
            prepare()

    def open(self) -> AbstractContextManager[Executor]:
        """Return the pool or the cluster, to be opened for one step.

        Workers keep the memory that they took: those of a step would still hold it beside the checks that follow.
        """
        return open_executor(self.compute, self.workers or None)


class GlueResource(dg.ConfigurableResource["GlueResource"]):
    """The Glue Data Catalog, where others find the tables."""

    database: str = Field(default="", description="Where tables are registered; empty for nowhere")

    def open(self) -> GlueDatabase | None:
        """Return the database; None where tables are not to be registered."""
        return open_glue(self.database) if self.database else None


class RulesResource(dg.ConfigurableResource["RulesResource"]):
    """The figures that the rules and the checks go by."""

    deduplication_window_days: int = Field(
        default=7, ge=0, description="A record is compared with those that arrived up to this many days earlier"
    )
    corruption_warn_above: float = Field(default=0.001, ge=0, le=1, description="Share of corrupt records that warns")
    corruption_error_above: float = Field(default=0.05, ge=0, le=1, description="Share of corrupt records that fails")
    duplicates_warn_above: float = Field(default=0.05, ge=0, le=1, description="Share of redeliveries that warns")
    object_limit_bytes: int = Field(
        default=DEFAULT_LIMITS.object_bytes, gt=0, description="Bytes that are unpacked of one landed object at most"
    )
    task_limit_bytes: int = Field(
        default=DEFAULT_LIMITS.task_bytes, gt=0, description="Bytes that a task of raw_events holds in memory at most"
    )

    @property
    def limits(self) -> Limits:
        """What is unpacked of an object at most, and held by a task."""
        return Limits(self.object_limit_bytes, self.task_limit_bytes)


def dates_in(partitions: Iterable[str]) -> list[date]:
    """Return the dates that partition keys are. Raises TableError for one that is no date."""
    try:
        return [date.fromisoformat(key) for key in partitions]
    except ValueError as error:
        raise TableError(
            f"{error}: expected partition keys such as 2025-06-02; tables have a partition a day"
        ) from error

"""Dagster resources: landing, lake, compute, catalogs, and the limits of rules and checks. Those on S3 are in `s3`."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, suppress
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
from pydantic import Field, PrivateAttr

from event_platform.checks.thresholds import DEFAULT_THRESHOLDS, Thresholds
from event_platform.compute.executor import open_executor
from event_platform.defs.instance.claim import keep_claim, require_own_instance
from event_platform.environment import LOCAL_COMPUTE
from event_platform.events.errors import EventPlatformError, TableError
from event_platform.lake.lake import Lake
from event_platform.lake.tables import Table
from event_platform.landing.folder import FolderLanding
from event_platform.landing.landing import Landing
from event_platform.landing.pieces import DEFAULT_LIMITS, Limits
from event_platform.landing.zones import time_zone
from event_platform.pipeline.opening import open_lake, open_landing
from event_platform.publishing.glue import GlueDatabase, open_glue
from event_platform.publishing.iceberg import IcebergCatalog, Publication, open_iceberg
from event_platform.storage.storage import Storage


class LandingResource(dg.ConfigurableResource["LandingResource"], ABC):
    """The landing zone."""

    timezone: str = Field("UTC", description="Time zone of the dates and hours in its paths, by its IANA name")

    @abstractmethod
    def open(self) -> Landing:
        """Open the landing zone for listing and reading, in this and other processes."""


class FolderLandingResource(LandingResource):
    """A landing zone in a folder."""

    folder: str

    def open(self) -> Landing:
        """See LandingResource."""
        return FolderLanding(Path(self.folder), time_zone(self.timezone))


class BucketLandingResource(LandingResource):
    """A landing zone on Google Cloud or Azure, opened with their standard variables."""

    uri: str = Field(description="gs://<bucket>/<prefix> or az://<container>/<prefix>")

    def open(self) -> Landing:
        """See LandingResource."""
        return open_landing(self.uri, self.timezone)


class LakeResource(dg.ConfigurableResource["LakeResource"], ABC):
    """The lake: all Delta tables."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Address of the lake: a folder, or <scheme>://<bucket>/<prefix>."""

    @abstractmethod
    def open(self) -> Lake:
        """Open the lake."""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Raise SettingError if the Dagster instance belongs to another lake. Sensors and schedules claim the instance.

        They run as long as their code location is loaded, so the claim stays current.
        """
        if context.instance is not None:
            claim = require_own_instance if context.run else keep_claim
            claim(context.instance, self.address)

    def scan(
        self, name: str, partitions: Iterable[str] | None = None, columns: Collection[str] | None = None
    ) -> pl.LazyFrame:
        """Scan a table by the name of its asset key, such as `events/lesson_started`.

        `partitions` are keys, such as a context's `partition_keys` or `["2025-06-02"]`. Without `partitions` or
        `columns`, all are read. The frame is lazy and reads only what it needs. Raises TableError for an unknown table
        or column, and for a key that is not a date.
        """
        return self.open().scan(name, None if partitions is None else dates_in(partitions), columns)


class FolderLakeResource(LakeResource):
    """A lake in a folder."""

    folder: str

    @property
    def address(self) -> str:
        """See LakeResource."""
        return self.folder

    def open(self) -> Lake:
        """See LakeResource."""
        return Lake(Storage(self.folder))


class BucketLakeResource(LakeResource):
    """A lake on Google Cloud or Azure, opened with their standard variables."""

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

    def open(self) -> AbstractContextManager[Executor]:
        """Return the pool or cluster, to be opened for one step.

        Not for a whole run: idle workers would keep their memory during the checks that follow.
        """
        return open_executor(self.compute, self.workers or None)


class PublishingResource(dg.ConfigurableResource["PublishingResource"]):
    """The catalogs in which other systems find the tables."""

    glue_database: str = Field(
        default="", description="Database of the Glue Data Catalog in which tables are registered; empty: none"
    )
    iceberg: str = Field(default="", description="Iceberg catalog in which tables are published; empty: none")
    #: Of the lake that was opened. Steps of a run share it: to open one takes some requests.
    _catalogs: dict[str, IcebergCatalog] = PrivateAttr(default_factory=dict)
    #: The published Delta version of each table of this run, by address.
    _published: dict[str, int | None] = PrivateAttr(default_factory=dict)

    def open_glue(self) -> GlueDatabase:
        """Return the database."""
        return open_glue(self.glue_database)

    def open_iceberg(self, lake: Lake) -> IcebergCatalog:
        """Return the Iceberg catalog of a lake."""
        root = lake.storage.root
        if root not in self._catalogs:
            self._catalogs[root] = open_iceberg(self.iceberg, lake.storage, self.glue_database or None)
        return self._catalogs[root]

    def publish(self, lake: Lake, tables: Sequence[Table]) -> list[Publication]:
        """Publish tables in the Iceberg catalog, and remember the published version of each."""
        publications = self.open_iceberg(lake).publish(tables)
        self._published |= {table.uri: snapshot.version for table, snapshot in zip(tables, publications, strict=True)}
        return publications

    def has_published(self, table: Table) -> bool:
        """Return whether this run has published a table as it is now."""
        with suppress(EventPlatformError):
            return self._published.get(table.uri) == table.snapshot().version
        return False


#: Freshness is evaluated by the daemon, not by a run.
_OF_LOCATION = " (in the code location, not in a run)"


class RulesResource(dg.ConfigurableResource["RulesResource"]):
    """Limits of rules and checks."""

    deduplication_window_days: int = Field(
        default=7, ge=0, description="A record is compared with those that arrived up to this many days earlier"
    )
    corruption_warn_above: float = Field(
        default=DEFAULT_THRESHOLDS.corruption_warn_above, ge=0, le=1, description="Share of corrupt records that warns"
    )
    corruption_error_above: float = Field(
        default=DEFAULT_THRESHOLDS.corruption_error_above, ge=0, le=1, description="Share of corrupt records that fails"
    )
    duplicates_warn_above: float = Field(
        default=DEFAULT_THRESHOLDS.duplicates_warn_above, ge=0, le=1, description="Share of redeliveries that warns"
    )
    anomaly_weeks: int = Field(
        default=DEFAULT_THRESHOLDS.anomaly_weeks,
        ge=2,
        le=52,
        description="Weeks that the volume and the shares of a day are compared with",
    )
    anomaly_deviations: float = Field(
        default=DEFAULT_THRESHOLDS.anomaly_deviations,
        gt=0,
        le=100,
        description="Standard deviations from the usual value that warn",
    )
    raw_warn_hours: float = Field(default=2, gt=0, description=f"Age of raw_events that warns{_OF_LOCATION}")
    raw_fail_hours: float = Field(default=6, gt=0, description=f"Age of raw_events that fails{_OF_LOCATION}")
    event_warn_hours: float = Field(
        default=3, gt=0, description=f"Age of an event table that warns{_OF_LOCATION}, without `x-freshness`"
    )
    event_fail_hours: float = Field(
        default=12, gt=0, description=f"Age of an event table that fails{_OF_LOCATION}, without `x-freshness`"
    )
    object_limit_bytes: int = Field(
        default=DEFAULT_LIMITS.object_bytes,
        gt=0,
        description="Limit of the decompressed size of a landed object in bytes",
    )
    task_limit_bytes: int = Field(
        default=DEFAULT_LIMITS.task_bytes,
        gt=0,
        description="Memory limit of a task of raw_events in bytes",
    )

    @property
    def thresholds(self) -> Thresholds:
        """Limits of checks."""
        return Thresholds(
            corruption_warn_above=self.corruption_warn_above,
            corruption_error_above=self.corruption_error_above,
            duplicates_warn_above=self.duplicates_warn_above,
            anomaly_weeks=self.anomaly_weeks,
            anomaly_deviations=self.anomaly_deviations,
        )

    @property
    def limits(self) -> Limits:
        """Limits of reading landed objects."""
        return Limits(self.object_limit_bytes, self.task_limit_bytes)


def dates_in(partitions: Iterable[str]) -> list[date]:
    """Parse partition keys as dates. Raises TableError for a key that is not a date."""
    try:
        return [date.fromisoformat(key) for key in partitions]
    except ValueError as error:
        raise TableError(
            f"{error}: expected partition keys such as 2025-06-02; tables have daily partitions"
        ) from error

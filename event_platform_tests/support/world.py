"""A small world to test in: a landing folder, a lake, a catalog, and everything that can be done with them."""

import gzip
import json
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import yaml

from event_platform.checks.thresholds import DEFAULT_THRESHOLDS
from event_platform.definitions import build_definitions
from event_platform.defs.assets.reporting import listening
from event_platform.defs.instance.dagster_internals import open_without_records
from event_platform.environment import Environment, EnvironmentName
from event_platform.events.catalog import Catalog, load_catalog
from event_platform.lake.lake import Lake
from event_platform.lake.tables import Table
from event_platform.landing.folder import FolderLanding
from event_platform.landing.landing import Landing
from event_platform.landing.pieces import DEFAULT_LIMITS, Limits
from event_platform.pipeline.context import PipelineContext, no_progress
from event_platform.pipeline.deduplication.step import DeduplicationReport, deduplicate
from event_platform.pipeline.loading.objects import ObjectSource
from event_platform.pipeline.loading.quarantine import quarantine_corrupt
from event_platform.pipeline.loading.report import RawReport, raise_unreadable
from event_platform.pipeline.loading.step import load
from event_platform.pipeline.reporting.step import QualityReport, report_quality
from event_platform.pipeline.sizing import DEFAULT_SIZING, Sizing
from event_platform.pipeline.typing.report import TypingReport
from event_platform.pipeline.typing.step import UNREGISTERED, type_all
from event_platform.storage.storage import Storage

MONDAY, TUESDAY, WEDNESDAY = date(2025, 6, 2), date(2025, 6, 3), date(2025, 6, 4)
WINDOW_DAYS = 7

SCHEMAS: dict[str, dict[str, Any]] = {
    "lesson_started": {
        "title": "lesson:started",
        "type": "object",
        "required": ["user"],
        "properties": {
            "user": {"type": "string", "pattern": "^usr_"},
            "level": {"type": "integer", "minimum": 1, "maximum": 9},
            "score": {"type": "number"},
            "hard": {"type": "boolean"},
            "due": {"type": "string", "format": "date-time"},
            "birthday": {"type": "string", "format": "date"},
            "mode": {"type": "string", "enum": ["fast", "slow"]},
            "device": {
                "type": "object",
                "properties": {"os": {"type": "string"}, "version": {"type": "integer"}},
            },
            "skills": {"type": "array", "items": {"type": "string"}},
            "answers": {
                "type": "array",
                "items": {"type": "object", "properties": {"id": {"type": "integer"}, "right": {"type": "boolean"}}},
            },
            "anything": {},
        },
    },
    "account_created": {
        "title": "account:created",
        "type": "object",
        "properties": {"plan": {"type": "string"}},
    },
    "payment_order_completed": {
        "title": "payment:order:completed",
        "type": "object",
        "properties": {"amount": {"type": "number"}},
    },
}


def noon(day: date) -> int:
    """Return noon of a day (UTC) in Unix seconds."""
    return int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp())


def event(uuid: str, day: date = MONDAY, name: str = "account:created", **payload: Any) -> dict[str, Any]:
    """Return a sound event created at noon of a day."""
    return {"event_uuid": uuid, "event_name": name, "created_at": noon(day), **payload}


def ndjson(*records: dict[str, Any] | str | bytes) -> bytes:
    """Return records one a line; texts and bytes as they are."""
    return b"".join(_line(record) + b"\n" for record in records)


def gzipped(data: bytes) -> bytes:
    """Return one member, without the time in it: a case's bytes are the same in every process that collects it."""
    return gzip.compress(data, mtime=0)


def _line(record: dict[str, Any] | str | bytes) -> bytes:
    if isinstance(record, bytes):
        return record
    return (record if isinstance(record, str) else json.dumps(record)).encode()


def write_catalog(folder: Path, schemas: dict[str, dict[str, Any]], envelope: dict[str, Any] | None = None) -> Path:
    """Write schemas (by the stem of their file) and an envelope to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, schema in schemas.items():
        (folder / f"{stem}.yaml").write_text(yaml.safe_dump(schema, sort_keys=False), encoding="utf-8")
    if envelope is not None:
        (folder / "envelope.yaml").write_text(yaml.safe_dump(envelope), encoding="utf-8")
    return folder


@dataclass
class World:
    """Landing, lake and catalog below one folder; what the steps do, by the names of the steps."""

    root: Path
    schemas: dict[str, dict[str, Any]] = field(default_factory=lambda: SCHEMAS)
    envelope: dict[str, Any] | None = None
    start_date: date = date(2025, 1, 1)
    limits: Limits = DEFAULT_LIMITS
    sizing: Sizing = DEFAULT_SIZING
    zone: tzinfo = UTC  # of the paths of landing
    _built: tuple[Environment, Catalog, dg.Definitions] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the folders."""
        (self.root / "landing").mkdir(parents=True, exist_ok=True)
        write_catalog(self.root / "catalog", self.schemas, self.envelope)

    @property
    def catalog(self) -> Catalog:
        """The catalog as it is on disk now."""
        return load_catalog(self.root / "catalog")

    @property
    def landing(self) -> Landing:
        """The landing folder."""
        return FolderLanding(self.root / "landing", self.zone)

    @property
    def lake(self) -> Lake:
        """The lake."""
        return Lake(Storage(str(self.root / "lake")))

    @property
    def environment(self) -> Environment:
        """The local environment, at home in this world."""
        return Environment(
            EnvironmentName.LOCAL,
            str(self.root / "landing"),
            str(self.root / "lake"),
            self.root / "catalog",
            self.start_date,
        )

    def deliver(self, day: date, name: str, *records: dict[str, Any] | str | bytes, hour: int = 12) -> Path:
        """Land an object with one record a line; gzipped if the name ends with .gz."""
        data = ndjson(*records)
        return self.deliver_bytes(day, name, gzipped(data) if name.endswith(".gz") else data, hour=hour)

    def deliver_bytes(self, day: date, name: str, data: bytes, hour: int = 12) -> Path:
        """Land an object with exactly these bytes."""
        path = self.root / "landing" / f"{day:%Y/%m/%d}" / f"{hour:02d}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    @contextmanager
    def pipeline(self) -> Iterator[PipelineContext]:
        """What the steps run in: two threads."""
        with ThreadPoolExecutor(2) as executor:
            yield PipelineContext(self.lake, executor, sizing=self.sizing)

    def load(self, *days: date, replay: bool = False, mend: bool = False) -> dict[date, RawReport]:
        """Landing → raw_events and corrupt_events."""
        catalog = self.catalog
        with self.pipeline() as context:
            source = ObjectSource(self.landing, catalog.envelope, self.start_date, self.limits, catalog.mending)
            reports = load(context, source, days, WINDOW_DAYS, replay=replay, mend=mend)
        quarantine_corrupt(self.lake, days)
        raise_unreadable(reports.values())
        return reports

    def deduplicate(self, *days: date) -> dict[date, DeduplicationReport]:
        """raw_events → deduplicated_events and duplicate_events."""
        with self.pipeline() as context:
            return deduplicate(context, days, WINDOW_DAYS)

    def type(self, *days: date, keys: Sequence[str] | None = None) -> dict[str, TypingReport]:
        """deduplicated_events → the event tables (those of `keys`, else all) and unregistered_events."""
        catalog = self.catalog
        with self.pipeline() as context:
            return type_all(context, catalog, [*catalog.by_key, UNREGISTERED] if keys is None else keys, days)

    def report(self, *days: date) -> dict[date, QualityReport]:
        """Everything of a created_date → quality_report and a page."""
        with self.pipeline() as context:
            return report_quality(context, self.catalog, DEFAULT_THRESHOLDS, days, self.start_date)

    def build(self, *days: date) -> None:
        """Do all the steps for the days given."""
        self.load(*days)
        self.deduplicate(*days)
        self.type(*days)
        self.report(*days)

    def event_table(self, key: str) -> Table:
        """Return the table of an event type."""
        return self.lake.event_table(self.catalog.by_key[key])

    def raw(self) -> pl.DataFrame:
        """Return raw_events in the order of arrival."""
        return rows(self.lake.raw_events, "arrival_date", "source_object", "source_offset")

    def events(self, key: str) -> pl.DataFrame:
        """Return the typed events of one type, in the order of their uuid."""
        return rows(self.event_table(key), "event_uuid")

    def definitions(self) -> dg.Definitions:
        """Return the code location of this world, as a code server does: the same until settings or catalog change."""
        environment, catalog = self.environment, self.catalog
        if self._built is None or self._built[:2] != (environment, catalog):
            self._built = environment, catalog, build_definitions(environment, catalog)
        return self._built[2]

    def materialize(
        self,
        first: date,
        last: date | None = None,
        *,
        selection: dg.AssetSelection | None = None,
        instance: dg.DagsterInstance | None = None,
        raise_on_error: bool = True,
        watched: bool = True,
    ) -> dg.ExecuteInProcessResult:
        """Materialize assets and run their checks in one Dagster run over a range of days."""
        definitions = self.definitions()
        # As at a terminal, unless told otherwise: no step is tried again, and a failure is seen at once.
        with listening(no_progress) if watched else nullcontext():
            return dg.materialize(
                [*(definitions.assets or []), *(definitions.asset_checks or [])],  # type: ignore[list-item]
                selection=selection or dg.AssetSelection.all(),
                resources=dict(definitions.resources or {}),
                instance=instance or open_without_records(),
                tags={
                    "dagster/asset_partition_range_start": first.isoformat(),
                    "dagster/asset_partition_range_end": (last or first).isoformat(),
                },
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                raise_on_error=raise_on_error,
            )


def copy_of(world: World, folder: Path) -> World:
    """Copy a world, with what has landed and what was built, into a folder.

    Its objects are those of the first one, by name and by time of change: nothing is new in the copy.
    """
    copy = replace(world, root=folder)
    shutil.copytree(world.root, folder, dirs_exist_ok=True)
    return copy


def rows(table: Table, *order: str) -> pl.DataFrame:
    """Return the rows of a table as it is now, sorted."""
    return table.snapshot().scan().collect().sort(order)

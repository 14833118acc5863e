"""Whatever happens to a table, and whenever a publisher is killed: once it is published, both formats have its rows."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from pyiceberg.catalog import load_catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table as IcebergTable

from event_platform.events.event import ColumnSpec
from event_platform.lake.file_writer import write_file
from event_platform.lake.files import remove_action
from event_platform.lake.specs import TableSpec
from event_platform.lake.table_commit import TableCommit
from event_platform.lake.tables import Table
from event_platform.lake.vacuum import vacuum
from event_platform.pipeline.compaction.tasks import compact_files
from event_platform.publishing.iceberg import IcebergCatalog, Outcome, open_iceberg
from event_platform.publishing.iceberg.file_io import LakeOutputFile
from event_platform.storage.storage import Storage
from event_platform_tests.support.field_ids import forget_ids, ids_in_log
from event_platform_tests.support.iceberg_readers import Store, by_polars
from event_platform_tests.support.iceberg_rows import assert_same_rows, by_pyiceberg
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY

DAYS = st.sampled_from([MONDAY, TUESDAY, WEDNESDAY])
NOW = timedelta(0)

#: Columns that a definition may have, in the order in which it has them; of one, two forms.
COLUMNS: dict[str, Any] = {
    "z": pl.Int64(),
    "a.b": pl.Decimal(12, 2),
    "tags": pl.List(pl.String()),
    "items": pl.List(pl.Struct({"x": pl.Int64()})),
    "labels": pl.Map(pl.String(), pl.Struct({"x": pl.Int64()})),
}
OBJECTS = [pl.Struct({"x": pl.Int64()}), pl.Struct({"w": pl.String(), "x": pl.Int64()})]
DEFINITIONS = st.tuples(st.sets(st.sampled_from([*COLUMNS])), st.sampled_from([None, *OBJECTS]))

#: Steps of a publisher at which it may be killed, or another one may come between.
STEPS = [(LakeOutputFile, "store"), (SqlCatalog, "commit_table"), (Storage, "delete")]


class KilledError(BaseException):
    """What a publisher does not survive."""


@contextmanager
def at_step(number: int, *, after: bool, happens: Callable[[], None]) -> Iterator[None]:
    """Have something happen before or after a step of what runs in the context, once."""
    steps_left = [number]

    def counted(step: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any) -> Any:
            steps_left[0] -= 1
            is_it = steps_left[0] == 0
            if is_it and not after:
                happens()
            result = step(*arguments)
            if is_it and after:
                happens()
            return result

        return wrapped

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in STEPS:
            patch.setattr(owner, name, counted(getattr(owner, name)))
        yield


def kill() -> None:
    """End a publisher."""
    raise KilledError


class SameRows(RuleBasedStateMachine):
    """A table with its definition, and operations of writers, other tools, vacuums and publishers, with kills."""

    def __init__(self) -> None:
        """Begin with a lake that has nothing."""
        super().__init__()
        self.folder, self.numbers = Path(tempfile.mkdtemp()), iter(range(10**6))
        self.lake, self.columns = Storage(str(self.folder)), dict[str, Any]()

    def teardown(self) -> None:
        """Publish, look, and leave nothing."""
        try:
            self.publish()
        finally:
            shutil.rmtree(self.folder)

    @property
    def table(self) -> Table:
        """The table as it is defined now."""
        columns = {"created_date": pl.Date(), "n": pl.Int64(), **self.columns}
        specs = tuple(ColumnSpec(name, dtype) for name, dtype in columns.items())
        return Table(TableSpec("events/t", specs, "created_date"), self.lake)

    def iceberg(self) -> IcebergCatalog:
        """Return a publisher, which knows nothing yet."""
        return open_iceberg("sql", self.lake)

    def rows(self, day: date) -> pl.DataFrame:
        """Return a row with values, and one of nulls."""
        n = next(self.numbers)
        values = {"z": n, "a.b": Decimal("1.50"), "tags": ["a", None], "items": [{"x": n}], "labels": {"k": {"x": n}}}
        values["object"] = {"w": "w", "x": n}
        full = {name: values[name] for name in self.columns}
        schema = {"created_date": pl.Date(), "n": pl.Int64(), **self.columns}
        frames = [
            pl.DataFrame([{"created_date": day, "n": n, **row}], schema=schema, strict=False) for row in (full, {})
        ]
        return pl.concat(frames)

    @initialize(is_old=st.booleans())
    def create(self, is_old: bool) -> None:
        """Create the table, as this release or an earlier one does."""
        self.table.create_log()
        if is_old:
            forget_ids(self.table)
            add = write_file(self.rows(MONDAY), self.table, MONDAY)
            write = DeltaTable(self.table.uri)
            write.create_write_transaction([add], "append", write.schema(), ["created_date"])

    @rule(definition=DEFINITIONS)
    def define(self, definition: tuple[set[str], Any]) -> None:
        """Change the definition: columns and fields come and go."""
        names, of_object = definition
        self.columns = {name: dtype for name, dtype in COLUMNS.items() if name in names}
        if of_object is not None:
            self.columns = {"object": of_object, **self.columns}

    @rule(day=DAYS, is_rebuilt=st.booleans())
    def write(self, day: date, is_rebuilt: bool) -> None:
        """Append to a day, or rebuild it."""
        target = self.table.snapshot_to_write()
        add = write_file(self.rows(day), target.table_to_write, day)
        commit = TableCommit(target)
        (commit.rebuild if is_rebuilt else commit.append)([day], [add], {day: target.version + 1})
        commit.commit()

    @rule(day=DAYS)
    def compact(self, day: date) -> None:
        """Make one file of those of a day."""
        target = self.table.snapshot_to_write()
        if files := target.files([day]):
            add = compact_files(target.table_to_write, target.schema, files)
            removes = [remove_action(target.table, file, data_change=False) for file in files]
            TableCommit(target).append([day], [add, *removes], {day: target.version + 1}).commit()

    @rule(day=DAYS, name=st.sampled_from(["n", "theirs"]))
    def write_as_others(self, day: date, name: str) -> None:
        """Append with delta-rs, maybe a column that no definition has."""
        frame = pl.DataFrame({"created_date": [day], name: [next(self.numbers)]})
        write_deltalake(self.table.uri, frame, mode="append", schema_mode="merge")

    @rule()
    def delete_and_create(self) -> None:
        """Delete the folder of the table, and begin again."""
        shutil.rmtree(self.table.uri)
        self.table.snapshot_to_write()

    @rule(back=st.integers(0, 3))
    def restore(self, back: int) -> None:
        """Go back to an earlier version, where its files are still there."""
        delta = DeltaTable(self.table.uri)
        with suppress(Exception):
            delta.restore(max(0, delta.version() - back))

    @rule()
    def vacuum(self) -> None:
        """Delete what no version of today needs."""
        self.iceberg().expire(self.table, NOW, dry_run=False)
        vacuum(self.table, NOW, dry_run=False)

    @rule(number=st.integers(1, 6), after=st.booleans())
    def publish_and_be_killed(self, number: int, after: bool) -> None:
        """Be killed at a step of the publication, if there are so many."""
        with suppress(KilledError), at_step(number, after=after, happens=kill):
            self.iceberg().publish([self.table])
        self.look(is_published=False)

    @rule(number=st.integers(1, 6), after=st.booleans())
    def publish_at_once(self, number: int, after: bool) -> None:
        """Publish while another publisher is at it."""
        with at_step(number, after=after, happens=self.assert_published):
            self.assert_published()
        self.look(is_published=True)

    @rule()
    def publish(self) -> None:
        """Publish, and find all rows."""
        self.assert_published()
        self.look(is_published=True)

    def assert_published(self) -> None:
        """Publish the table."""
        (publication,) = self.iceberg().publish([self.table])
        assert publication.outcome is not Outcome.FAILED, publication.reason

    def look(self, *, is_published: bool) -> None:
        """Compare the rows with those of the version that readers of Iceberg see."""
        try:
            table = self.loaded()
        except (NoSuchTableError, FileNotFoundError):
            assert not is_published
            return
        snapshot = table.current_snapshot()
        assert snapshot is not None
        assert snapshot.summary is not None
        version, delta = int(snapshot.summary["delta-version"] or 0), DeltaTable(self.table.uri)
        if is_published:
            assert (version, snapshot.summary["delta-table-id"]) == (delta.version(), str(delta.metadata().id))
            ids = ids_in_log(self.table.snapshot())
            assert (
                ids.items()
                <= {table.schema().find_column_name(each): each for each in table.schema().field_ids}.items()
            )
        expected = pl.scan_delta(self.table.uri, version=version).collect()
        assert_same_rows(pl.DataFrame(pl.from_arrow(table.scan().to_arrow())), expected, by_pyiceberg)
        (frame,) = by_polars([table.metadata_location.removeprefix("file://")], Store(), self.folder)
        assert_same_rows(frame, expected)

    def loaded(self) -> IcebergTable:
        """Load the table as another process does."""
        catalog = load_catalog("event_platform", type="sql", uri=f"sqlite:///{self.folder}/_iceberg/catalog.db")
        return catalog.load_table(("event_platform", "events_t"))


TestSameRows = SameRows.TestCase
TestSameRows.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)

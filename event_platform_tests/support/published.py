"""Delta tables of any shape that are published as Iceberg, and both read back as an analyst would."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable, write_deltalake
from pyiceberg.table import Table as IcebergTable

from event_platform.lake.specs import spec_of_schema
from event_platform.lake.tables import Table
from event_platform.publishing.iceberg import IcebergCatalog, Publication, open_iceberg
from event_platform.publishing.iceberg.target import Target
from event_platform.storage.storage import Storage

NAME = "events/lesson_started"
FIRST = date(2025, 1, 1)


def rows(*numbers: int, day: int = 1, **columns: Any) -> pl.DataFrame:
    """Return rows of a day of January with numbers; each is created so many seconds after noon."""
    created = [datetime(2025, 1, day, 12, tzinfo=UTC) + timedelta(seconds=n, microseconds=123_456) for n in numbers]
    more = {name: [value] * len(numbers) for name, value in columns.items()}
    frame = pl.DataFrame({"n": numbers, "created_datetime": created, **more}, schema_overrides={"n": pl.Int64})
    return frame.with_columns(created_date=pl.lit(date(2025, 1, day)))


@dataclass(frozen=True)
class PublishedTable:
    """A table of a lake, and the catalog that it is published in."""

    table: Table
    catalog: IcebergCatalog

    @property
    def uri(self) -> str:
        """The address of the table."""
        return self.table.uri

    @property
    def options(self) -> dict[str, str] | None:
        """The storage options of delta-rs."""
        return self.table.storage.for_delta()

    @property
    def target(self) -> Target:
        """The table in the catalog."""
        return self.catalog._target(self.table)

    @property
    def iceberg(self) -> IcebergTable:
        """The Iceberg table as it is now."""
        found = self.target.load()
        assert found is not None
        return found

    def append(self, frame: pl.DataFrame, **how: Any) -> None:
        """Append rows to the Delta table; partitioned by the date unless something else is said."""
        how = {"partition_by": ["created_date"], **how}
        write_deltalake(self.uri, frame, mode="append", storage_options=self.options, **how)

    def replace(self, frame: pl.DataFrame, day: int) -> None:
        """Replace a day of January."""
        predicate = f"created_date = '2025-01-{day:02}'"
        write_deltalake(self.uri, frame, mode="overwrite", predicate=predicate, storage_options=self.options)

    def publish(self) -> Publication:
        """Publish the table."""
        (found,) = self.catalog.publish([self.table])
        return found

    def delta_rows(self) -> pl.DataFrame:
        """Read the Delta table."""
        frame = pl.DataFrame(DeltaTable(self.uri, storage_options=self.options).to_pyarrow_table())
        return frame.sort("created_datetime", "n")

    def iceberg_rows(self, snapshot_id: int | None = None) -> pl.DataFrame:
        """Read the Iceberg table, as it is or was."""
        found = pl.DataFrame(self.iceberg.scan(snapshot_id=snapshot_id).to_arrow())
        return found.sort("created_datetime", "n")

    def require_equal_rows(self) -> None:
        """Compare the rows of both."""
        delta, iceberg = self.delta_rows(), self.iceberg_rows()
        assert iceberg.select(delta.columns).to_dicts() == delta.to_dicts()
        summary = self.iceberg.metadata.current_snapshot().summary  # type: ignore[union-attr]
        assert summary is not None
        assert summary["total-records"] == str(delta.height)

    def metadata_files(self) -> set[str]:
        """Return the files of Iceberg's metadata, without their folder."""
        return {name.rpartition("/")[2] for name in self.table.storage.sizes(self.table.name, "_iceberg")}


def published_table(
    root: Path | str | Storage, frame: pl.DataFrame, setting: str = "sql", name: str = NAME
) -> PublishedTable:
    """Return a table of the shape of a frame, which does not exist yet, and a catalog."""
    lake = root if isinstance(root, Storage) else Storage(str(root))
    return PublishedTable(Table(spec_of_schema(name, frame.schema, "created_date"), lake), open_iceberg(setting, lake))

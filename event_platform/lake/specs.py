"""The definition of a table: its name, columns, partitions and key. No storage, no log."""

from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from event_platform.events.event import ColumnSpec
from event_platform.events.figures import Figure


@dataclass(frozen=True)
class TableSpec:
    """The definition of a table of the lake. It is partitioned by one date column, or not at all."""

    name: str  # below the root of the lake, such as events/lesson_started
    columns: tuple[ColumnSpec, ...] = ()
    partition_column: str | None = None
    primary_key: tuple[str, ...] = ()
    description: str = ""
    #: Paths of variant columns, and of arrays or maps of variants.
    variants: frozenset[tuple[str, ...]] = frozenset()
    #: Whether columns may get a wider type: all partitions are rebuilt then, in one commit.
    widens: bool = False
    #: Figures of each of its files: see `file_figures`.
    figures: tuple[Figure, ...] = field(default=(), compare=False, repr=False)
    #: Selects the rows whose uuids have a key in the files: see `file_keys`. None for a table without keys.
    keyed: pl.Expr | None = field(default=None, compare=False, repr=False)

    @cached_property
    def schema(self) -> pl.Schema:
        """The names and types of the columns."""
        return pl.Schema({column.name: column.type for column in self.columns})

    @property
    def comments(self) -> dict[str, str]:
        """The non-empty comments of columns."""
        return {column.name: column.comment for column in self.columns if column.comment}

    @property
    def partition_by(self) -> list[str]:
        """The partition columns as a list for Delta: one or none."""
        return [] if self.partition_column is None else [self.partition_column]


def spec_of_schema(name: str, schema: pl.Schema, partition_column: str | None, description: str = "") -> TableSpec:
    """Return the spec of a table of which only the schema is known."""
    columns = tuple(ColumnSpec(column, dtype) for column, dtype in schema.items())
    return TableSpec(name, columns, partition_column, description=description)

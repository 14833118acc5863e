"""A derived column, and the rules that values are derived by: an expression, a function, or a reference table."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from event_platform.events.columns import Column, storage_shape

_DIGEST_LENGTH = 16


@dataclass(frozen=True)
class Expression:
    """An SQL expression over the columns of a row."""

    text: str

    @property
    def formula(self) -> str:
        """The rule as written in the schema, shortened."""
        return " ".join(self.text.split())

    @property
    def identity(self) -> list[Any]:
        """Everything that the values depend on besides the row, as JSON values."""
        return ["sql", self.text]


@dataclass(frozen=True)
class Function:
    """A function in a file of the catalog. It takes a frame and returns a series, or an expression over the frame."""

    module: str
    name: str
    columns: tuple[str, ...] | None  # columns that it takes; None for all
    source: str = field(repr=False)  # of the module: it is sent to workers with the event type

    @property
    def formula(self) -> str:
        """See Expression."""
        return f"{self.module}:{self.name}"

    @property
    def identity(self) -> list[Any]:
        """See Expression."""
        return ["function", self.name, self.columns, self.source]


@dataclass(frozen=True)
class Lookup:
    """A column of a reference table, found by a key. `rows` is a Parquet file with the columns key and value."""

    file: str
    digest: str  # SHA-256 of the file
    by: str  # the column of the event
    key: str  # columns of the table
    value: str
    rows: bytes = field(repr=False)

    @property
    def formula(self) -> str:
        """See Expression."""
        key = "" if self.key == self.by else f"{self.key} = "
        return f"{self.value} of {self.file} by {key}{self.by}"

    @property
    def identity(self) -> list[Any]:
        """See Expression."""
        return ["lookup", self.file, self.digest, self.by, self.key, self.value]


Rule = Expression | Function | Lookup


@dataclass(frozen=True)
class DerivedColumn:
    """A column of an event table that the schema derives from other columns."""

    column: Column
    rule: Rule
    uses: tuple[str, ...]  # names of its source columns
    digest: str  # changes whenever the values may change for the same events
    uses_personal: bool = False  # so the text of an error may contain a personal value

    @property
    def name(self) -> str:
        """The name of the column."""
        return self.column.name


def digest_of(column: Column, rule: Rule, used: Sequence[DerivedColumn]) -> str:
    """Return the digest of a derived column; `used` are the derived columns in its rule."""
    parts = [storage_shape((column,)), rule.identity, sorted(other.digest for other in used)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:_DIGEST_LENGTH]


def reference_versions(derived: Sequence[DerivedColumn]) -> dict[str, str]:
    """Return the SHA-256 of each reference table behind some columns, by file name."""
    lookups = [column.rule for column in derived if isinstance(column.rule, Lookup)]
    return {lookup.file: lookup.digest for lookup in sorted(lookups, key=lambda lookup: lookup.file)}

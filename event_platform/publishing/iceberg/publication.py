"""The outcome of publishing a table, and how far a table is behind."""

from dataclasses import dataclass
from enum import StrEnum

from event_platform.events.errors import StorageError


class IcebergError(StorageError):
    """The Iceberg catalog does not answer, does not exist or access is denied."""


class Outcome(StrEnum):
    """Outcome of publishing a table."""

    CREATED = "created"
    CAUGHT_UP = "caught up"
    REBUILT = "rebuilt"  # with all its files, because its address has another Delta table, or its field ids changed
    UNCHANGED = "unchanged"
    NO_TABLE_YET = "no table yet"
    FAILED = "failed"


@dataclass(frozen=True)
class Publication:
    """The outcome for one table, with the reason if it failed."""

    table: str  # of the lake, such as events/lesson_started
    name: str  # in the catalog, such as event_platform.events_lesson_started
    outcome: Outcome
    version: int | None  # Delta version that readers of Iceberg see now; None if unknown
    reason: str = ""


@dataclass(frozen=True)
class Lag:
    """The published version of a table, and Delta's version (-1 if the table does not exist)."""

    table: str
    published: int | None  # None if it was never published, or is another table now
    version: int
    reason: str = ""  # why the published version is not known

    @property
    def is_behind(self) -> bool:
        """Whether there is something to publish."""
        return self.version >= 0 and self.published != self.version

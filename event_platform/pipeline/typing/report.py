"""The outcome of typing for one event table, or for unregistered_events, and its error."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

from deltalake.transaction import AddAction

from event_platform.events.errors import EventPlatformError, StorageError, raise_panics_as_errors
from event_platform.events.event import RESCUED_COLUMN
from event_platform.lake.files import DataFile
from event_platform.lake.table_commit import CommitResult, ConflictError, TableCommit
from event_platform.pipeline.typing.tasks import TypedFile
from event_platform.storage.errors import one_line
from event_platform.storage.polars_errors import translate_errors


@dataclass
class TypingReport:
    """The result for one event type (or for the unregistered names): rows by created_date, or an error."""

    rows: dict[date, int]
    rescued: dict[date, int]
    error: str | None = None
    transient: bool = False  # the error is the storage's
    conflict: bool = False
    results: list[TypedFile] = field(default_factory=list)
    commit_results: dict[date, CommitResult] = field(default_factory=dict)
    retyped: list[str] = field(default_factory=list)  # columns that got a wider type: every day was rebuilt

    @classmethod
    def of(cls, dates: Iterable[date]) -> "TypingReport":
        """Return a report of no rows on these dates."""
        days = list(dates)
        return cls(dict.fromkeys(days, 0), dict.fromkeys(days, 0))

    @property
    def adds(self) -> list[AddAction]:
        """The files that were written."""
        return [add for result in self.results for add in result.adds]

    def add(self, result: TypedFile) -> None:
        """Add the outcome of a task."""
        self.results.append(result)
        self.rows[result.created_date] += result.rows
        self.rescued[result.created_date] += result.rescued
        self.error = self.error or result.error
        self.transient = self.transient or result.transient

    def commit(self, changes: TableCommit, old_files: Iterable[DataFile]) -> None:
        """Commit, and count the rows of the files that were in the appended partitions before."""
        self.commit_results |= changes.commit()
        for file in old_files:
            self.rows[file.partition] += file.rows
            self.rescued[file.partition] += file.rows - file.nulls.get(RESCUED_COLUMN, file.rows)

    def fail(self, error: Exception) -> None:
        """Note an error."""
        is_known = isinstance(error, EventPlatformError)
        self.error = str(error) if is_known else f"{type(error).__name__}: {one_line(error)}"
        # As in every step: storage errors are transient, unless they say otherwise.
        self.transient = error.transient if isinstance(error, StorageError) else isinstance(error, OSError)

    @contextmanager
    def catch_errors(self) -> Iterator[None]:
        """Store the error of one table, so that it does not stop the others."""
        try:
            with translate_errors(), raise_panics_as_errors():
                yield
        except ConflictError:
            self.conflict = True
        except Exception as error:  # noqa: BLE001 - whatever it is
            self.fail(error)

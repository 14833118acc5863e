"""The outcome of loading for an arrival date, and the objects that it could not read."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from event_platform.events.errors import UnreadableError
from event_platform.events.mending.outcome import MendOutcome
from event_platform.lake.table_commit import CommitResult
from event_platform.pipeline.loading.record_writer import LoadError, LoadResult

#: Objects that an error names.
_MAX_NAMED = 5


@dataclass
class RawReport:
    """The outcome of loading for one arrival date."""

    commit_result: CommitResult
    objects: int = 0  # read now
    known_objects: int = 0  # in the ledger already
    replaced_objects: int = 0  # read now because they changed
    bytes_read: int = 0
    records: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    created_dates: set[date] = field(default_factory=set)  # whose downstream partitions are due
    unreadable: list[LoadError] = field(default_factory=list)  # objects that are left out, and stay due
    altered_reason: str = ""  # why the day was reloaded, if it was not as the platform left it
    mend_outcome: MendOutcome = field(default_factory=MendOutcome)
    unmended_objects: int = 0  # objects with records to mend that are no longer in landing

    def add(self, result: LoadResult) -> None:
        """Add the outcome of a task."""
        self.unreadable.extend(result.unreadable.values())
        self.bytes_read += result.bytes_read
        self.records += result.records
        self.reasons.update(result.reasons)
        self.created_dates.update(result.created_dates)
        self.mend_outcome.add(result.mend_outcome)


def raise_unreadable(reports: Iterable[RawReport]) -> None:
    """Raise an error that names the objects that were left out, with the remedy; nothing without such objects.

    It is an UnreadableError if one of them cannot be read, which may be transient. The others make the program fail, or
    kill its worker process.
    """
    errors = [error for report in reports for error in report.unreadable]
    if not errors:
        return
    suffix = f" And {len(errors) - _MAX_NAMED} more." if len(errors) > _MAX_NAMED else ""
    subject = "this one stays" if len(errors) == 1 else f"these {len(errors)} stay"
    message = (
        f"{' '.join(map(str, errors[:_MAX_NAMED]))}{suffix} The other objects are loaded; {subject} due, and the next "
        "run loads what can be read by then."
    )
    unreadable = [error for error in errors if isinstance(error, UnreadableError)]
    if not unreadable:
        raise type(errors[0])(message)
    raise UnreadableError(message, transient=any(error.transient for error in unreadable))

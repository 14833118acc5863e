"""The check that the next run can write to an event table with its current schema."""

from collections.abc import Sequence

from event_platform.checks.faults import Fault
from event_platform.checks.result import Result, Severity
from event_platform.events.catalog import EventType
from event_platform.events.errors import EventPlatformError, StorageError
from event_platform.events.wording import first_few
from event_platform.lake.catalog_clashes import TableClash, clashes_of
from event_platform.lake.lake import Lake

NAME = "table_schema"

#: Columns that are named in the description.
_NAMED = 5


def check_table(lake: Lake, event_type: EventType) -> Result:
    """Compare an event type with its table. Raises StorageError on transient errors of the store."""
    try:
        return judge_clashes(clashes_of(lake.event_table(event_type)))
    except EventPlatformError as error:
        if isinstance(error, StorageError) and error.transient:
            raise
        return Result.from_error(error)


def judge_clashes(clashes: Sequence[TableClash]) -> Result:
    """Return an error if the next run would fail, or a warning if it would rebuild the table."""
    if not clashes:
        return Result(passed=True, description="the next run can write to the table as it is")
    failing = [clash for clash in clashes if clash.fails]
    listed = failing or list(clashes)
    effect = "fails on" if failing else "rebuilds all days of the table for"
    columns = (f"{clash.column}: {clash.stored} → {clash.defined}" for clash in listed)
    faults = {Fault.CLASHING_COLUMNS: len(failing), Fault.WIDER_COLUMNS: len(clashes) - len(failing)}
    return Result(
        passed=False,
        description=f"the next run {effect} {first_few(columns, _NAMED, separator='; ')}",
        metadata={"columns": [_row(clash) for clash in clashes]},
        severity=Severity.ERROR if failing else Severity.WARN,
        faults={fault: count for fault, count in faults.items() if count},
    )


def _row(clash: TableClash) -> dict[str, str]:
    return {
        "column": clash.column,
        "type in the table": clash.stored,
        "type in the catalog": clash.defined,
        "class": clash.kind.value,
        "what to do": clash.action,
    }

"""Whether the events of a type conform to their schema: rescued values, unknown fields, broken constraints.

Values that the schema expects to be rescued (an untyped property, a type in `x-mixed`) are counted but do not fail it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from event_platform.checks.faults import Fault
from event_platform.checks.result import Result, Severity
from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, typed
from event_platform.events.constraints import DOT, REQUIRED, SEPARATOR
from event_platform.events.drift import Drift, Outcome, Path
from event_platform.events.event import RESCUED_COLUMN
from event_platform.events.figures import drift_figure, event_figure, to_drift
from event_platform.lake.file_figures import read_figure
from event_platform.lake.files import DataFile
from event_platform.lake.snapshot import Snapshot

NAME = "schema_conformance"


def check_dates(event_type: EventType, table: Snapshot, dates: Sequence[date]) -> list[tuple[date, Result]]:
    """Count broken constraints and rescued values of each date, and return its result."""
    files = table.files(dates)
    counts = read_figure(table.table, files, event_figure(event_type), table.schema).group_by("created_date").sum()
    broken = counts.rows_by_key("created_date", named=True, unique=True)
    drifts = _drifts(event_type, table, files)
    return [(day, check_day(event_type, broken.get(day, {}), drifts.get(day, Drift()))) for day in dates]


def _drifts(event_type: EventType, table: Snapshot, files: Sequence[DataFile]) -> dict[date, Drift]:
    """Return what is in the `_rescued` texts of each date. Most files have none, and are not asked."""
    rescued = [file for file in files if file.nulls.get(RESCUED_COLUMN) != file.rows]
    if not rescued:
        return {}
    counts = read_figure(table.table, rescued, drift_figure(event_type), table.schema)
    return {day: to_drift(each) for (day,), each in counts.partition_by("created_date", as_dict=True).items()}


def check_day(event_type: EventType, counts: Mapping[str, int], drift: Drift) -> Result:
    """Return the result of a day from the rows that break each constraint, and from what its `_rescued` texts have."""
    # A rescued value is not missing, although its column is null.
    keys = {REQUIRED + SEPARATOR + DOT.join(path): keys for keys, path in _paths(event_type.columns)}
    found_broken = {
        name: count - _rescued(drift, keys.get(name)) for name, count in counts.items() if SEPARATOR in name
    }
    broken = {name: count for name, count in found_broken.items() if count > 0}
    misfits, unknown, expected = (
        _by_name(drift, outcome) for outcome in (Outcome.MISFIT, Outcome.UNKNOWN, Outcome.EXPECTED)
    )
    whole_records = drift[Outcome.WHOLE_RECORD, ()]
    found = [
        *(f"{count:,} x {name}" for name, count in broken.items()),
        *(f"{count:,} x rescued: {field}" for field, count in misfits.items()),
        *(f"{count:,} x unknown field: {field}" for field, count in unknown.items()),
        *([f"{whole_records:,} x a key written twice"] if whole_records else []),
    ]
    missing = sum(count for name, count in broken.items() if name.startswith(REQUIRED + SEPARATOR))
    faults = {
        Fault.MISSING_REQUIRED: missing,
        Fault.BROKEN_RULES: sum(broken.values()) - missing,
        Fault.RESCUED_VALUES: sum(misfits.values()),
        Fault.UNKNOWN_FIELDS: sum(unknown.values()),
        Fault.REPEATED_KEYS: whole_records,
    }
    details = {
        "broken_rules": broken,
        "rescued_fields": misfits,
        "unknown_fields": unknown,
        "expected_fields": expected,
    }
    return Result(
        passed=not found,
        severity=Severity.WARN,
        description="; ".join(found[:10]) or "every value fits its column",
        metadata={
            "rules_broken": sum(broken.values()),
            "values_rescued": sum(misfits.values()),
            "values_unknown": sum(unknown.values()),
            "values_expected": sum(expected.values()),
            "keys_written_twice": whole_records,
            **{name: counted for name, counted in details.items() if counted},
        },
        faults={fault: count for fault, count in faults.items() if count},
    )


def _by_name(drift: Drift, outcome: Outcome) -> dict[str, int]:
    return {DOT.join(path): count for (why, path), count in sorted(drift.items()) if why is outcome}


def _rescued(drift: Drift, keys: Path | None) -> int:
    return drift[Outcome.MISFIT, keys] + drift[Outcome.EXPECTED, keys] if keys is not None else 0


def _paths(columns: tuple[Column, ...], keys: Path = (), names: Path = ()) -> Iterator[tuple[Path, Path]]:
    """Yield the path of keys of each typed property, and the path of names of its column."""
    for column in typed(columns):
        own, name = (*keys, column.field), (*names, column.name)
        yield own, name
        yield from _paths(column.fields, own, name)

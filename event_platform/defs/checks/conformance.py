"""Whether the events of a type conform to their schema: rescued values, unknown fields, broken constraints.

Values that the schema expects to be rescued (an untyped property, a type in `x-mixed`) are counted but do not fail it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

import dagster as dg

from event_platform.defs.checks.results import Result
from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, typed
from event_platform.events.constraints import DOT, REQUIRED, SEPARATOR
from event_platform.events.drift import Drift, Path, count_drift
from event_platform.events.event import RESCUED_COLUMN
from event_platform.events.figures import event_figure
from event_platform.lake.date_groups import group_dates
from event_platform.lake.file_figures import read_figure
from event_platform.lake.files import scan_files
from event_platform.lake.snapshot import Snapshot

NAME = "schema_conformance"

#: Rows of several days whose `_rescued` texts are read together.
_ROWS_AT_ONCE = 500_000


def check_dates(event_type: EventType, table: Snapshot, dates: Sequence[date]) -> list[tuple[date, Result]]:
    """Count broken constraints and rescued values of each date, and return its result."""
    figure = event_figure(event_type)
    counts = read_figure(table.table, table.files(dates), figure, table.schema).group_by("created_date").sum()
    broken = counts.rows_by_key("created_date", named=True, unique=True)
    return [
        (day, check_day(event_type, broken.get(day, {}), texts.get(day, ())))
        for some in group_dates(table, dates, _ROWS_AT_ONCE)
        for texts in [_rescued_texts(table, some)]
        for day in some
    ]


def _rescued_texts(table: Snapshot, dates: Sequence[date]) -> dict[date, Sequence[str]]:
    """Return the `_rescued` texts of each date. Most files have none, and are not read."""
    files = [file for file in table.files(dates) if file.nulls.get(RESCUED_COLUMN) != file.rows]
    if not files:
        return {}
    rows = scan_files(table.table, files, table.schema).select("created_date", RESCUED_COLUMN).drop_nulls()
    return dict(rows.group_by("created_date").agg(RESCUED_COLUMN).collect().iter_rows())


def check_day(event_type: EventType, counts: Mapping[str, int], rescued: Iterable[str]) -> Result:
    """Return the result of a day from the rows that break each constraint, and from its `_rescued` texts."""
    drift = count_drift(rescued, event_type.columns)
    # A rescued value is not missing, although its column is null.
    keys = {REQUIRED + SEPARATOR + DOT.join(path): keys for keys, path in _paths(event_type.columns)}
    found_broken = {
        name: count - _rescued(drift, keys.get(name)) for name, count in counts.items() if SEPARATOR in name
    }
    broken = {name: count for name, count in found_broken.items() if count > 0}
    misfits, unknown, expected = map(_by_name, (drift.misfits, drift.unknown, drift.expected))
    found = [
        *(f"{count:,} x {name}" for name, count in broken.items()),
        *(f"{count:,} x rescued: {field}" for field, count in misfits.items()),
        *(f"{count:,} x unknown field: {field}" for field, count in unknown.items()),
        *([f"{drift.whole_records:,} x a key written twice"] if drift.whole_records else []),
    ]
    details = {
        "broken_rules": broken,
        "rescued_fields": misfits,
        "unknown_fields": unknown,
        "expected_fields": expected,
    }
    return Result(
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(found[:10]) or "every value fits its column",
        metadata={
            "rules_broken": sum(broken.values()),
            "values_rescued": sum(misfits.values()),
            "values_unknown": sum(unknown.values()),
            "values_expected": sum(expected.values()),
            "keys_written_twice": drift.whole_records,
            **{name: counted for name, counted in details.items() if counted},
        },
    )


def _by_name(counts: Mapping[Path, int]) -> dict[str, int]:
    return {DOT.join(path): count for path, count in sorted(counts.items())}


def _rescued(drift: Drift, keys: Path | None) -> int:
    return drift.misfits[keys] + drift.expected[keys] if keys is not None else 0


def _paths(columns: tuple[Column, ...], keys: Path = (), names: Path = ()) -> Iterator[tuple[Path, Path]]:
    """Yield the path of keys of each typed property, and the path of names of its column."""
    for column in typed(columns):
        own, name = (*keys, column.field), (*names, column.name)
        yield own, name
        yield from _paths(column.fields, own, name)

"""The arrived events of a type: the figures of the files of its last days, and a sample of its `_rescued` texts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import msgspec
import polars as pl

from event_platform.checks.conformance import count_dates, drifts_by_date
from event_platform.events.catalog import EventType
from event_platform.events.columns import Kind, typed
from event_platform.events.constraints import REQUIRED, sample_broken_constraint
from event_platform.events.differences.arrivals import Arrivals
from event_platform.events.differences.fitting import is_empty_draft
from event_platform.events.differences.rescued_sample import RescuedSample
from event_platform.events.differences.schema_paths import SchemaPaths
from event_platform.events.drift import ANY_KEY, Drift, Outcome, Path
from event_platform.events.event import RESCUED_COLUMN
from event_platform.events.wire import EXACT_INTEGERS
from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.snapshot import Snapshot

#: Number of newest days of a table that are examined.
DAYS = 30

#: Number of texts to read for a type, newest days first; and number of further fields to look for, with texts for each.
_TEXTS, _RARE_FIELDS, _RARE_TEXTS = 1_000, 50, 100

#: Number of rows that break a rule to read.
_VIOLATIONS = 100


def read_arrivals(paths: SchemaPaths, table: Snapshot, broken_share: float) -> Arrivals | None:
    """Return the arrived events of a type on the newest days of its table; None if it has no rows.

    Values are sampled for the rules that more than `broken_share` of the rows break.
    """
    rows = table.rows_by_date()
    days = sorted(rows)[-DAYS:]
    if not days:
        return None
    event_type, files = paths.event_type, table.files(days)
    drifts = {day: paths.with_present_keys(each) for day, each in drifts_by_date(event_type, table, files).items()}
    arrivals = Arrivals(
        rows={day: rows[day] for day in days},
        drifts=drifts,
        broken_rules={day: each.broken for day, each in count_dates(event_type, table, files).items()},
        sample=_sample(paths, table, drifts),
        unseen_columns=_unseen_columns(event_type, table, drifts, {day: rows[day] for day in days}),
        stored_schema=table.stored_schema,
        long_columns=_long_columns(event_type, files),
        minima=_bounds(files, min, "minimum"),
        maxima=_bounds(files, max, "maximum"),
    )
    broken = [rule for rule, span in arrivals.rules().items() if arrivals.share(span.events) > broken_share]
    return _violations(event_type, table, arrivals, broken)


def _sample(paths: SchemaPaths, table: Snapshot, drifts: Mapping[date, Drift]) -> RescuedSample:
    """Sample texts of days with a field that has no column, newest first; then texts with fields not sampled yet."""
    sample = RescuedSample(paths)
    spans: dict[Path, list[date]] = {}
    for day, drift in sorted(drifts.items()):
        for (outcome, path), _ in drift.most_common():
            if _is_of_interest(paths, outcome, path):
                spans.setdefault(path, []).append(day)
    days = sorted({day for path_days in spans.values() for day in path_days}, reverse=True)
    _add_texts(sample, table, days, _TEXTS)
    missing_paths = [path for path in spans if path not in sample.seen][:_RARE_FIELDS]
    for path in missing_paths:
        if path not in sample.seen:
            _add_texts(sample, table, spans[path][-1:], _RARE_TEXTS, _keys(paths, path))
    return sample


def _is_of_interest(paths: SchemaPaths, outcome: Outcome, path: Path) -> bool:
    if outcome is Outcome.EXPECTED:
        return is_empty_draft(paths.by_path[path][1].definition)
    return outcome is not Outcome.WHOLE_RECORD


def _keys(paths: SchemaPaths, path: Path) -> list[str]:
    """Return the possible keys at the end of a path, as JSON texts; for the values of a map, the keys of the map."""
    while path[-1] == ANY_KEY:
        path = path[:-1]
    column = paths.by_path.get(path)
    keys = column[1].keys if column else ()
    return [msgspec.json.encode(key).decode() for key in keys or path[-1:]]


def _add_texts(
    sample: RescuedSample, table: Snapshot, days: Sequence[date], texts: int, keys: Sequence[str] = ()
) -> None:
    """Add up to `texts` texts of the days, in their order; with `keys`, only texts that contain a key."""
    for day in days:
        files = [file for file in table.files([day]) if file.nulls.get(RESCUED_COLUMN) != file.rows]
        column = scan_files(table.table, files, table.schema).select(RESCUED_COLUMN).drop_nulls()
        if keys:
            column = column.filter(pl.col(RESCUED_COLUMN).str.contains_any(list(keys)))
        sampled_texts = column.head(texts).collect(engine="streaming").to_series()
        for text in sampled_texts:
            sample.add(text)
        texts -= len(sampled_texts)
        if texts <= 0:
            return


def _unseen_columns(
    event_type: EventType, table: Snapshot, drifts: Mapping[date, Drift], rows: Mapping[date, int]
) -> frozenset[str]:
    """Return the top-level columns that are null in all rows of thirty days and never in `_rescued`."""
    if len(rows) < DAYS:
        return frozenset()
    nulls = table.nulls_by_date(rows)
    rescued = {path[0] for drift in drifts.values() for _, path in drift if path}
    names = [column.name for column in typed(event_type.columns) if column.field not in rescued]
    return frozenset(name for name in names if all(nulls[day].get(name) == count for day, count in rows.items()))


def _long_columns(event_type: EventType, files: Sequence[DataFile]) -> frozenset[str]:
    integers = [column.name for column in typed(event_type.columns) if column.kind is Kind.INTEGER]
    bounds = [bound for file in files for bound in (file.minimum, file.maximum)]
    return frozenset(
        name for name in integers if any(bound.get(name) not in EXACT_INTEGERS for bound in bounds if bound.get(name))
    )


def _bounds(files: Sequence[DataFile], pick: Callable[[Any, Any], Any], side: str) -> dict[str, int | float]:
    """Return the minima or maxima of number columns. Every file with values of a column must have its statistics."""
    extremes: dict[str, int | float] = {}
    unknown: set[str] = set()
    for file in files:
        bounds = getattr(file, side)
        unknown.update(name for name, nulls in file.nulls.items() if nulls != file.rows and bounds.get(name) is None)
        for name, value in bounds.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                extremes[name] = pick(extremes.get(name, value), value)
    return {name: value for name, value in extremes.items() if name not in unknown}


def _violations(event_type: EventType, table: Snapshot, arrivals: Arrivals, rules: Iterable[str]) -> Arrivals:
    """Add values that break these rules, from the newest day that has any."""
    violations: dict[str, tuple[str, ...]] = {}
    for rule in rules:
        day = arrivals.rules()[rule].last
        if day is not None and not rule.startswith(REQUIRED):
            rows = scan_files(table.table, table.files([day]), table.schema)
            values = sample_broken_constraint(event_type, rows, rule, _VIOLATIONS)["value"].drop_nulls()
            violations[rule] = tuple(values.unique(maintain_order=True))
    return replace(arrivals, violations=violations)

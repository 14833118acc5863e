"""Conformance of the events of a type to their schema: rescued values, unknown fields, broken constraints.

Failed derivations count as well. Values that the schema expects to be rescued (untyped properties, types in `x-mixed`)
are counted, but do not fail the check.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from event_platform.checks.faults import Fault
from event_platform.checks.result import Result, Severity
from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, typed
from event_platform.events.constraints import DOT, REQUIRED, SEPARATOR
from event_platform.events.drift import Drift, Outcome, Path
from event_platform.events.event import RESCUED_COLUMN
from event_platform.events.figures import FAILED_DERIVATIONS, drift_figure, event_figure, to_drift
from event_platform.lake.file_figures import read_figure
from event_platform.lake.files import DataFile
from event_platform.lake.snapshot import Snapshot

NAME = "schema_conformance"

#: Counted under this name: the fields that a report has no row of their own for.
OTHERS = "(others)"

#: What rows of quality_report count, by the name of their figure. The fields are rows of their own up to a number.
_FIGURES = {
    "broken_rule": "broken",
    "rescued_field": "misfits",
    "unknown_field": "unknown",
    "expected_field": "expected",
    "failed_derivation": "failed",
}
_REPEATED_KEYS = "repeated_key"
_FIELDS_KEPT = 500

#: Faults that a description lists, and characters of the name of a field.
_LISTED, _NAME_LENGTH = 10, 200

#: A row of quality_report: figure, label and value.
Figure = tuple[str, str | None, int]


@dataclass(frozen=True)
class Conformance:
    """The values and fields of a day that do not conform, counted by rule (such as `minimum: amount`) and by field.

    Fields that the schema lacks are data: of their names, the first characters.
    """

    broken: Mapping[str, int] = field(default_factory=dict)
    misfits: Mapping[str, int] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)
    expected: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)  # rows without a derived column, by column and error
    repeated_keys: int = 0

    def figures(self) -> Iterator[Figure]:
        """Yield figure, label and value of each row of quality_report; of the unknown fields, the largest."""
        for figure, name in _FIGURES.items():
            ranked = _largest_first(getattr(self, name))
            yield from ((figure, label, count) for label, count in ranked[:_FIELDS_KEPT])
            if len(ranked) > _FIELDS_KEPT:
                yield figure, None, sum(count for _, count in ranked[_FIELDS_KEPT:])
        if self.repeated_keys:
            yield _REPEATED_KEYS, None, self.repeated_keys

    @classmethod
    def from_figures(cls, figures: Iterable[Figure]) -> "Conformance":
        """Return the conformance in rows of quality_report; other figures are ignored."""
        counts: dict[str, dict[str, int]] = {name: {} for name in _FIGURES.values()}
        repeated_keys = 0
        for figure, label, count in figures:
            if figure in _FIGURES:
                counts[_FIGURES[figure]][OTHERS if label is None else label] = count
            elif figure == _REPEATED_KEYS:
                repeated_keys = count
        return cls(**counts, repeated_keys=repeated_keys)


def check_dates(event_type: EventType, table: Snapshot, dates: Sequence[date]) -> list[tuple[date, Result]]:
    """Count broken constraints and rescued values of each date, and return its result."""
    counted = count_dates(event_type, table, table.files(dates))
    return [(day, check_day(counted.get(day, Conformance()))) for day in dates]


def count_dates(event_type: EventType, table: Snapshot, files: Sequence[DataFile]) -> dict[date, Conformance]:
    """Return the conformance figures of these files of a table, by date."""
    # Without polars: a query costs a millisecond, and a run checks a hundred tables.
    broken = defaultdict[date, Counter[str]](Counter)
    for counts in read_figure(table.table, files, event_figure(event_type), table.schema).to_dicts():
        broken[counts.pop("created_date")].update(counts)
    drifts, failed = drifts_by_date(event_type, table, files), _failed(event_type, table, files)
    return {
        day: replace(count_day(event_type, counts, drifts.get(day, Drift())), failed=failed.get(day, {}))
        for day, counts in broken.items()
    }


def _failed(event_type: EventType, table: Snapshot, files: Sequence[DataFile]) -> dict[date, Counter[str]]:
    """Return the rows of each date for which a derived column could not be made, by column and error."""
    failed = defaultdict[date, Counter[str]](Counter)
    if event_type.derived:
        counts = read_figure(table.table, files, FAILED_DERIVATIONS, table.schema)
        for column, error, rows, day in counts.iter_rows():
            failed[day][f"{column}: {error}"] += rows
    return failed


def drifts_by_date(event_type: EventType, table: Snapshot, files: Sequence[DataFile]) -> dict[date, Drift]:
    """Return the drift in the `_rescued` texts of each date. Files without such texts are not read."""
    rescued = [file for file in files if file.nulls.get(RESCUED_COLUMN) != file.rows]
    if not rescued:
        return {}
    counts = read_figure(table.table, rescued, drift_figure(event_type), table.schema)
    return {
        day: to_drift(counts_of_day)
        for (day,), counts_of_day in counts.partition_by("created_date", as_dict=True).items()
    }


def count_day(event_type: EventType, counts: Mapping[str, int], drift: Drift) -> Conformance:
    """Return the conformance figures of a day, from the rows that break each constraint and the drift in `_rescued`."""
    # A rescued value is not missing, although its column is null.
    keys = {REQUIRED + SEPARATOR + DOT.join(path): keys for keys, path in _paths(event_type.columns)} if drift else {}
    broken = {name: count - _rescued(drift, keys.get(name)) for name, count in counts.items() if SEPARATOR in name}
    return Conformance(
        broken={name: count for name, count in broken.items() if count > 0},
        misfits=_by_name(drift, Outcome.MISFIT),
        unknown=_by_name(drift, Outcome.UNKNOWN),
        expected=_by_name(drift, Outcome.EXPECTED),
        repeated_keys=drift[Outcome.WHOLE_RECORD, ()],
    )


def check_day(figures: Conformance) -> Result:
    """Expect no faults on a day except those that the schema expects."""
    return _CONFORMS if figures == _NOTHING else _check_day(figures)


def _check_day(figures: Conformance) -> Result:
    listed = [
        *(f"{count:,} x {name}" for name, count in _largest_first(figures.broken)),
        *(f"{count:,} x rescued: {name}" for name, count in _largest_first(figures.misfits)),
        *(f"{count:,} x unknown field: {name}" for name, count in _largest_first(figures.unknown)),
        *(f"{count:,} x not derived: {name}" for name, count in _largest_first(figures.failed)),
        *([f"{figures.repeated_keys:,} x a key written twice"] if figures.repeated_keys else []),
    ]
    details = {
        "broken_rules": figures.broken,
        "rescued_fields": figures.misfits,
        "unknown_fields": figures.unknown,
        "expected_fields": figures.expected,
        "failed_derivations": figures.failed,
    }
    return Result(
        passed=not listed,
        severity=Severity.WARN,
        description="; ".join(listed[:_LISTED]) or "every value fits its column",
        metadata={
            "rules_broken": sum(figures.broken.values()),
            "values_rescued": sum(figures.misfits.values()),
            "values_unknown": sum(figures.unknown.values()),
            "values_expected": sum(figures.expected.values()),
            "keys_written_twice": figures.repeated_keys,
            "values_not_derived": sum(figures.failed.values()),
            **{name: dict(counted) for name, counted in details.items() if counted},
        },
        faults={fault: count for fault, count in _faults(figures).items() if count},
    )


def _faults(figures: Conformance) -> dict[Fault, int]:
    missing = sum(count for name, count in figures.broken.items() if name.startswith(REQUIRED + SEPARATOR))
    return {
        Fault.MISSING_REQUIRED: missing,
        Fault.BROKEN_RULES: sum(figures.broken.values()) - missing,
        Fault.RESCUED_VALUES: sum(figures.misfits.values()),
        Fault.UNKNOWN_FIELDS: sum(figures.unknown.values()),
        Fault.REPEATED_KEYS: figures.repeated_keys,
        Fault.FAILED_DERIVATIONS: sum(figures.failed.values()),
    }


def _largest_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (item[0] == OTHERS, -item[1], item[0]))


#: What most days have, and their result: a lake has very many.
_NOTHING = Conformance()
_CONFORMS = _check_day(_NOTHING)


def _by_name(drift: Drift, outcome: Outcome) -> dict[str, int]:
    counts = Counter[str]()
    for (why, path), count in sorted(drift.items()):
        if why is outcome:
            counts[DOT.join(path)[:_NAME_LENGTH]] += count
    return dict(counts)


def _rescued(drift: Drift, keys: Path | None) -> int:
    return drift[Outcome.MISFIT, keys] + drift[Outcome.EXPECTED, keys] if keys is not None else 0


def _paths(columns: tuple[Column, ...], keys: Path = (), names: Path = ()) -> Iterator[tuple[Path, Path]]:
    """Yield the path of keys of each typed property, and the path of names of its column."""
    for column in typed(columns):
        own, name = (*keys, column.field), (*names, column.name)
        yield own, name
        yield from _paths(column.fields, own, name)

"""The partitions of event tables whose rows would differ under the present catalog.

A partition stores a fingerprint of the rules that it was built with, and the log stores their text. Partitions with the
present fingerprint need no look. The verdict on any other partition is cached by the process. If its rows are the same,
the next commit to its table gives it the present fingerprint (`unchanged_partitions`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from event_platform.events.catalog import Catalog, EventType
from event_platform.events.envelope import Envelope
from event_platform.events.errors import StorageError, TableError, raise_panics_as_errors
from event_platform.events.evolution.table_rules import FULL_DIFFERENCE, Difference, compare_rules
from event_platform.events.wording import counted
from event_platform.lake.build_rules import note_rules, rules_in
from event_platform.lake.deployments import deployment_of, other_deployment
from event_platform.lake.derived import digest
from event_platform.lake.lake import Lake
from event_platform.lake.registry import UNREGISTERED_EVENTS
from event_platform.lake.snapshot import Snapshot
from event_platform.pipeline.backfill.new_types import find_new_types
from event_platform.pipeline.backfill.verdicts import VERDICTS, Budget, Verdict
from event_platform.pipeline.typing.rules import BuildRules, event_rules, release_in
from event_platform.storage.errors import one_line
from event_platform.storage.polars_errors import translate_errors

#: Maximum rows of the partitions to examine while something else waits.
ROWS_EXAMINED = 2_000_000

_NEW_TYPE = "the catalog has the type since this day was built"

#: The last release whose logs lack the texts of its rules.
_WITHOUT_TEXTS = "0.2.0"


@dataclass(frozen=True)
class Backfills:
    """Partitions that were built with other rules, by table."""

    due: Mapping[str, Mapping[date, str]] = field(default_factory=dict)  # rows would differ; and why
    unexamined: Mapping[str, Sequence[date]] = field(default_factory=dict)  # not known yet
    failing: Mapping[str, str] = field(default_factory=dict)  # tables that cannot be built, and why
    # Of the due days: those that a table never had, with the number of their events in unregistered_events.
    new_days: Mapping[str, Mapping[date, int]] = field(default_factory=dict)
    # For tables with a widened column, the days that have rows: the next build, of any day, rebuilds all of them.
    widened: Mapping[str, Collection[date]] = field(default_factory=dict)
    deployment_warning: str | None = None  # another deployment has built the due days with another catalog

    @property
    def days(self) -> set[date]:
        """Days on which a table is due."""
        return {day for days in self.due.values() for day in days}

    def changes_rows(self, table: str, day: date) -> bool:
        """Return whether a day of a table gets other rows than it has: not the days without events of a new type."""
        return self.new_days.get(table, {}).get(day) != 0

    @property
    def notes(self) -> list[str]:
        """Describe the unknown parts of each table."""
        unexamined = (
            f"{table}: {counted(len(days), 'day')} built before the catalog changed, not compared with it yet"
            for table, days in self.unexamined.items()
        )
        failures = (f"{table}: cannot be built: {reason}" for table, reason in self.failing.items())
        return [*unexamined, *failures, *filter(None, [self.deployment_warning])]


@dataclass(frozen=True)
class _Table:
    """An event table that may have partitions built with other rules."""

    lake: Lake
    deduplicated: Snapshot
    table: Snapshot
    event_type: EventType
    envelope: Envelope

    @cached_property
    def rules(self) -> BuildRules:
        """The present rules."""
        return event_rules(self.event_type, self.envelope)

    @cached_property
    def candidates(self) -> dict[date, Difference]:
        """The partitions that are up to date with their events, but were built with rules that differ."""
        other_fingerprints = {
            day: fingerprint
            for day, fingerprint in self.table.build_fingerprints.items()
            if fingerprint != self.rules.fingerprint
        }
        texts = rules_in(self.table) if other_fingerprints else {}
        differences = {
            fingerprint: self._difference(fingerprint, texts.get(fingerprint))
            for fingerprint in set(other_fingerprints.values())
        }
        return {
            day: difference
            for day, fingerprint in sorted(other_fingerprints.items(), reverse=True)
            if (difference := differences[fingerprint]) and self._is_as_new(day)
        }

    def candidates_without(self, excluded_days: Collection[date]) -> list[date]:
        """Return the days of candidates but for some, the newest first."""
        excluded = set(excluded_days)
        return [day for day in self.candidates if day not in excluded]

    def _difference(self, fingerprint: int, text: str | None) -> Difference | None:
        if text is not None:
            return compare_rules(text, self.rules.text)
        old_rules = event_rules(self.event_type, self.envelope, _WITHOUT_TEXTS)
        return None if fingerprint == old_rules.fingerprint else FULL_DIFFERENCE

    def _is_as_new(self, day: date) -> bool:
        version = self.table.source_version(day)
        return version is not None and 0 <= version == self.deduplicated.source_version(day)

    @cached_property
    def _paths(self) -> Mapping[date, list[str]]:
        return self.table.paths_by_date()

    @cached_property
    def _rows(self) -> Mapping[date, int]:
        return self.table.rows_by_date()

    def verdict(self, day: date, budget: Budget) -> Verdict | None:
        """Return whether the rows of a candidate would differ; None if the budget leaves that open."""
        built, paths = self.table.build_fingerprint(day) or 0, self._paths.get(day, [])
        key = (self.table.table.key, day, built, self.rules.fingerprint, digest(paths))
        verdict = VERDICTS.get(key)
        # With a wider type no row is examined: one commit rebuilds all of them.
        if verdict is None and (self.table.retyped or budget.take(self._rows.get(day, 0))):
            verdict = self._examine(day)
            VERDICTS.add(key, verdict)
        return verdict

    def _examine(self, day: date) -> Verdict:
        # Most commands look at no row, and need no parser of payloads.
        from event_platform.pipeline.backfill.rows import Partition, RowExaminer  # noqa: PLC0415

        try:
            with translate_errors(), raise_panics_as_errors():
                examiner = RowExaminer(self.lake, self.event_type, self.envelope, self.candidates[day])
                partition = Partition(self.table, self.table.files([day]), self.deduplicated.files([day]))
                return examiner.examine(partition)
        except Exception as error:
            if isinstance(error, StorageError) and error.transient:
                raise
            # Such as a missing file, or a type that cannot be built: the run reports it.
            return Verdict(f"its rows cannot be compared: {one_line(error)}")


def find_backfills(
    lake: Lake,
    catalog: Catalog,
    deduplicated: Snapshot,
    tables: Mapping[str, Snapshot],
    excluded_days: Collection[date],
    rows: int | None,
) -> Backfills:
    """Return the partitions whose rows would differ, except on the `excluded_days`.

    `tables` are those of event types by key. At most `rows` rows of partitions are examined (None: all), the newest
    days first. If names have moved, unregistered_events is due as well.
    """
    budget, due, unexamined, failing = Budget(rows), dict[str, dict[date, str]](), dict[str, list[date]](), {}
    new_days = find_new_types(lake, catalog, deduplicated, tables, excluded_days)
    for key, snapshot in tables.items():
        table, name = _Table(lake, deduplicated, snapshot, catalog.by_key[key], catalog.envelope), snapshot.table.name
        if not (table.candidates or name in new_days):
            continue
        if fault := _fault(snapshot):
            failing[name] = fault
            continue
        for day, events in new_days.get(name, {}).items():
            due.setdefault(name, {})[day] = _NEW_TYPE
            if events:
                due.setdefault(UNREGISTERED_EVENTS.name, {})[day] = f"events move between it and {name}"
        for day in table.candidates_without(excluded_days):
            verdict = table.verdict(day, budget)
            if verdict is None:
                unexamined.setdefault(name, []).append(day)
            elif verdict.reason:
                due.setdefault(name, {})[day] = verdict.reason
                if verdict.moves_events:
                    due.setdefault(UNREGISTERED_EVENTS.name, {})[day] = f"events move between it and {name}"
    due_tables = [each for each in tables.values() if each.table.name in due]
    deployment_warnings = (other_deployment(each, deployment_of(catalog)) for each in due_tables)
    return Backfills(
        due,
        unexamined,
        failing,
        new_days={name: days for name, days in new_days.items() if name in due},
        widened={each.table.name: each.rows_by_date().keys() for each in due_tables if each.retyped},
        deployment_warning=next(filter(None, deployment_warnings), None),
    )


def _fault(snapshot: Snapshot) -> str | None:
    """Return why the table cannot get the columns of the catalog, if it cannot."""
    if snapshot.delta is None:
        return None
    try:
        _ = snapshot.schema_to_write
    except TableError as error:
        return str(error)
    return None


def unchanged_partitions(
    lake: Lake,
    catalog: Catalog,
    deduplicated: Snapshot,
    key: str,
    target: Snapshot,
    excluded_days: Collection[date],
    budget: Budget,
) -> Iterator[tuple[date, BuildRules]]:
    """Yield the partitions built with other rules whose rows are the same, each with the present rules.

    They can be appended to again. Their release stays the one that built them.
    """
    table = _Table(lake, deduplicated, target, catalog.by_key[key], catalog.envelope)
    texts = rules_in(target) if table.candidates else {}
    for day in table.candidates_without(excluded_days):
        verdict = table.verdict(day, budget)
        if verdict is not None and not verdict.reason:
            built = texts.get(target.build_fingerprint(day) or 0)
            release = release_in(built) if built else _WITHOUT_TEXTS
            yield day, event_rules(table.event_type, table.envelope, release)


def note_builds(target: Snapshot, rules: BuildRules, unchanged_rules: Mapping[date, BuildRules]) -> dict[str, int]:
    """Return the app transactions that store the texts of rules: of this build, and of unchanged days."""
    transactions: dict[str, int] = {}
    for build in [rules, *unchanged_rules.values()]:
        transactions |= note_rules(target, build.text, build.fingerprint)
    return transactions | {target.fingerprint_id(day): build.fingerprint for day, build in unchanged_rules.items()}

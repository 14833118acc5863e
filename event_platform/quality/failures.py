"""Findings → the status of a day, and failed checks by kind, the newest first, with cause and remedy."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from event_platform.checks.faults import Fault
from event_platform.checks.result import Finding, Result, Severity
from event_platform.events.wording import counted
from event_platform.quality.text import shown

_TYPES_FOLDER = "events/"
_DESCRIPTION_LENGTH = 300
_NAME_LENGTH = 120
_DAY = timedelta(days=1)


class Status(StrEnum):
    """The worst result of some checks."""

    UNKNOWN = "unknown"
    PASSED = "passed"
    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True)
class FailedTable:
    """A table that a check failed on, with the latest day of its failure."""

    name: str
    key: str | None  # of an event type that has a page
    since: date  # it has failed on each day since
    description: str


@dataclass(frozen=True)
class Advice:
    """The likely cause of a kind of failure, and the remedy. Parts between backticks are code."""

    cause: str
    remedy: str


@dataclass(frozen=True)
class Failure:
    """A failed check: its last `day`, its tables, and the advice for its faults, the most frequent first."""

    day: date
    status: Status
    check: str
    advice: Sequence[Advice]
    tables: Sequence[FailedTable]


_NOT_EVALUATED = Advice("The check could not be evaluated.", "Look at the error, and at the log of its run.")


def status_of(findings: Collection[Finding]) -> Status:
    """Return the worst status of some findings."""
    failed = [finding.result.severity for finding in findings if not finding.result.passed]
    if failed:
        return Status.ERROR if Severity.ERROR in failed else Status.WARN
    return Status.PASSED if findings else Status.UNKNOWN


def count_failed(findings: Iterable[Finding]) -> str:
    """Return how many checks failed and warned, in words; empty if all passed."""
    failed = Counter(finding.result.severity for finding in findings if not finding.result.passed)
    errors, warnings = failed[Severity.ERROR], failed[Severity.WARN]
    words = [*([counted(errors, "error")] if errors else []), *([counted(warnings, "warning")] if warnings else [])]
    return " and ".join(words)


def list_failures(findings: Iterable[Finding], keys: Collection[str]) -> list[Failure]:
    """Return the failed checks by last day, severity and kind. `keys` are those of types with a page."""
    failed: dict[tuple[str, str], dict[date, Finding]] = {}
    for finding in findings:
        if not finding.result.passed:
            failed.setdefault((finding.asset, finding.check), {})[finding.day] = finding
    groups: dict[tuple[date, Status, str, str], list[Mapping[date, Finding]]] = {}
    for by_day in failed.values():
        last = by_day[max(by_day)]
        kind = (last.day, Status(last.result.severity.value), last.check, last.result.main_fault or "")
        groups.setdefault(kind, []).append(by_day)
    listed = [_failure(by_days, keys) for by_days in groups.values()]
    return sorted(
        listed, key=lambda failure: (-failure.day.toordinal(), failure.status, -len(failure.tables), failure.check)
    )


def _failure(by_days: Sequence[Mapping[date, Finding]], keys: Collection[str]) -> Failure:
    day = max(by_days[0])
    last = by_days[0][day]
    return Failure(
        day=day,
        status=Status(last.result.severity.value),
        check=shown(last.check, _NAME_LENGTH),
        advice=_advise([findings_of_check[day] for findings_of_check in by_days]),
        tables=[_table(by_day, day, keys) for by_day in sorted(by_days, key=lambda by_day: _rank(by_day[day]))],
    )


def _advise(findings: Sequence[Finding]) -> list[Advice]:
    faults = sum((Counter(finding.result.faults) for finding in findings), Counter[Fault]())
    if not faults:
        return [_NOT_EVALUATED]
    return [Advice(fault.cause, fault.remedy) for fault in sorted(faults, key=lambda fault: (-faults[fault], fault))]


def _rank(finding: Finding) -> tuple[int, str]:
    """Sort key: failures with the most records first."""
    return -sum(finding.result.faults.values()), finding.asset


def _describe(result: Result) -> str:
    return f"{result.description}. {result.hint}" if result.hint else result.description


def _table(by_day: Mapping[date, Finding], day: date, keys: Collection[str]) -> FailedTable:
    since = day
    while since - _DAY in by_day:
        since -= _DAY
    asset = by_day[day].asset
    key = asset.removeprefix(_TYPES_FOLDER)
    return FailedTable(
        name=shown(asset, _NAME_LENGTH),
        key=key if asset.startswith(_TYPES_FOLDER) and key in keys else None,
        since=since,
        description=shown(_describe(by_day[day].result), _DESCRIPTION_LENGTH),
    )

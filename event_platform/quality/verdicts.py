"""What the checks of a day found → its verdict, its failures with cause and remedy, and the verdict of each tile."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

from event_platform.checks.faults import CORRUPTION, UNREGISTERED, Fault
from event_platform.checks.result import Finding, Severity
from event_platform.checks.thresholds import Thresholds
from event_platform.quality.rows import Links, percent
from event_platform.quality.text import shown

_DESCRIPTION_LENGTH = 500

#: Tables listed of a failure; the others are behind a fold.
_TABLES_LISTED = 5

_EVENTS = "events/"


@dataclass(frozen=True)
class FailedTable:
    """A table on which a check failed."""

    name: str
    link: str | None
    description: str
    value: int  # records or values concerned


@dataclass(frozen=True)
class Advice:
    """The likely cause of a kind of failure, and what to do."""

    cause: str
    remedy: str  # with code between backticks


@dataclass(frozen=True)
class Failure:
    """A check that failed in one way, with likely causes and remedies, and the tables on which it did."""

    severity: Severity
    check: str
    advice: list[Advice]
    tables: list[FailedTable]
    more: list[FailedTable]


@dataclass(frozen=True)
class Tile:
    """A number of a day, with the verdict of the checks that look at it; `status` is empty where none does."""

    name: str
    value: int
    note: str
    limits: str = ""
    status: str = ""  # passed, warn or error


@dataclass(frozen=True)
class Judged:
    """The kinds of failure that a tile shows, and when its checks fail."""

    faults: Collection[Fault]
    limits: str


def judged_tiles(thresholds: Thresholds) -> dict[str, Judged]:
    """Return what is judged of each tile, by its name."""
    warn, error, duplicates = (
        percent(limit, 1)
        for limit in (
            thresholds.corruption_warn_above,
            thresholds.corruption_error_above,
            thresholds.duplicates_warn_above,
        )
    )
    return {
        "Events": Judged(
            (Fault.TOO_FEW_EVENTS, Fault.TOO_MANY_EVENTS), "warns where a type differs from the same weekday before"
        ),
        "Duplicates": Judged(
            (Fault.REDELIVERIES, Fault.CONFLICTS), f"warns above {duplicates} redeliveries, and at a conflict"
        ),
        "Corrupt": Judged(CORRUPTION, f"warns above {warn}, fails above {error}"),
        "Unregistered": Judged(UNREGISTERED, "warns at the first"),
        "Schema drift": Judged((Fault.RESCUED_VALUES, Fault.UNKNOWN_FIELDS, Fault.REPEATED_KEYS), "warns at the first"),
        "Broken rules": Judged((Fault.MISSING_REQUIRED, Fault.BROKEN_RULES), "warns at the first"),
        "Objects": Judged((Fault.ARRIVAL_GAP,), "warns at an hour without any between others"),
    }


def judge_tile(tile: Tile, judged: Judged | None, findings: Sequence[Finding]) -> Tile:
    """Return a tile with its verdict: that of the worst failure of its kinds."""
    if judged is None or not findings:
        return tile
    failed = [each.result.severity for each in findings if set(each.result.faults) & set(judged.faults)]
    worst = Severity.ERROR if Severity.ERROR in failed else Severity.WARN
    return Tile(tile.name, tile.value, tile.note, judged.limits, worst.value if failed else "passed")


def verdict(findings: Sequence[Finding]) -> tuple[str, str]:
    """Return the status of a day (passed, warn, error; empty if nothing was checked), and a sentence for it."""
    if not findings:
        return "", "Not checked yet."
    failed = Counter(each.result.severity for each in findings if not each.result.passed)
    if not failed:
        return "passed", f"All {len(findings):,} checks passed."
    words = {Severity.ERROR: "failed", Severity.WARN: "warned"}
    said = " and ".join(f"{failed[severity]:,} {word}" for severity, word in words.items() if failed[severity])
    worst = Severity.ERROR if failed[Severity.ERROR] else Severity.WARN
    return worst.value, f"Of {len(findings):,} checks, {said}."


def failures(findings: Sequence[Finding], links: Links) -> list[Failure]:
    """Return the failed checks by their kind: errors first, then those of most tables."""
    failed = sorted((each for each in findings if not each.result.passed), key=_kind)
    groups = [list(group) for _, group in groupby(failed, key=_kind)]
    ranked = sorted(groups, key=lambda group: (group[0].result.severity is not Severity.ERROR, -len(group)))
    return [_failure(group, links) for group in ranked]


def _kind(finding: Finding) -> tuple[str, str, str]:
    return finding.result.severity, finding.check, finding.result.main_fault or ""


def _failure(group: Sequence[Finding], links: Links) -> Failure:
    tables = sorted((_table(each, links) for each in group), key=lambda table: (-table.value, table.name))
    return Failure(
        group[0].result.severity,
        group[0].check,
        _advice(group),
        tables[:_TABLES_LISTED],
        tables[_TABLES_LISTED:],
    )


def _advice(group: Sequence[Finding]) -> list[Advice]:
    faults = sum((Counter(each.result.faults) for each in group), Counter[Fault]())
    if not faults:
        return [Advice("", "The check could not be evaluated: look at the error, and at the log of its run.")]
    return [Advice(fault.cause, fault.remedy) for fault, _ in faults.most_common()]


def _table(finding: Finding, links: Links) -> FailedTable:
    key = finding.asset.removeprefix(_EVENTS)
    is_type = finding.asset.startswith(_EVENTS) and key in links.keys.values()
    return FailedTable(
        finding.asset,
        f"types/{key}.html" if is_type else None,
        shown(finding.result.description, _DESCRIPTION_LENGTH),
        sum(finding.result.faults.values()),
    )

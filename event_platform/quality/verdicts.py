"""The findings of a day → a sentence about it, and the verdict of each tile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from event_platform.checks.faults import Fault
from event_platform.checks.result import Finding, Result
from event_platform.checks.thresholds import Thresholds
from event_platform.quality.failures import Status, count_failed, status_of
from event_platform.quality.rows import percent


@dataclass(frozen=True)
class Tile:
    """A number of a day, with the verdict of its checks and their limits; both may be unknown."""

    name: str
    value: int
    note: str
    limits: str = ""
    status: Status | None = None


#: The checks whose verdict a tile shows, by the name of the tile. Those of conformance are on two.
_CHECKS = {
    "Events": "volume",
    "Duplicates": "duplicate_rate",
    "Corrupt": "corruption_rate",
    "Unregistered": "unregistered_names",
    "Schema drift": "schema_conformance",
    "Broken rules": "schema_conformance",
    "Objects": "arrival_gaps",
}
_RULES = {Fault.MISSING_REQUIRED, Fault.BROKEN_RULES}


def limits_of_tiles(thresholds: Thresholds) -> dict[str, str]:
    """Return when the checks of each tile fail, by its name."""
    warn, error = percent(thresholds.corruption_warn_above, 1), percent(thresholds.corruption_error_above, 1)
    return {
        "Events": "warns where a type differs from the same weekday before",
        "Duplicates": f"warns above {percent(thresholds.duplicates_warn_above, 1)} redeliveries, and at a conflict",
        "Corrupt": f"warns above {warn}, fails above {error}",
        "Unregistered": "warns above 0",
        "Schema drift": "warns above 0",
        "Broken rules": "warns above 0",
        "Objects": "warns at an hour without any between others",
    }


def judge_tile(tile: Tile, limits: Mapping[str, str], findings: Sequence[Finding]) -> Tile:
    """Return a tile with its verdict: the worst of its checks; none if they were not evaluated."""
    of_tile = [finding for finding in findings if finding.check == _CHECKS.get(tile.name)]
    if not of_tile:
        return tile
    failed = [finding for finding in of_tile if _is_failure_of(tile.name, finding.result)]
    return replace(tile, limits=limits[tile.name], status=status_of(failed) if failed else Status.PASSED)


def _is_failure_of(tile: str, result: Result) -> bool:
    """Return whether a failed result is about the number of a tile."""
    faults = set(result.faults)
    if result.passed or not faults:
        return not result.passed
    counted_here = {"Broken rules": faults & _RULES, "Schema drift": faults - _RULES}
    return bool(counted_here.get(tile, faults))


def verdict(findings: Sequence[Finding]) -> str:
    """Return a sentence about the findings of a day."""
    if not findings:
        return "Not checked yet."
    failed = count_failed(findings)
    return f"{failed} in {len(findings):,} checks." if failed else f"All {len(findings):,} checks passed."

"""The text of alerts: failures of a run by asset, with the likely cause and the remedy."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from event_platform.checks.faults import Fault
from event_platform.defs.alerts.causes import CAUSES, Failure
from event_platform.events.wording import first_few
from event_platform.quality.partitions import partition_ranges
from event_platform.quality.text import without_links

#: More alerts for one address at once are summarized.
MAX_ALERTS_AT_ONCE = 10
_LINES_IN_AN_ALERT = 12
_CHARACTERS_OF_A_FINDING = 300
_CAUSES_IN_AN_ALERT = 3

#: Runs, and ranges of partitions, that are named.
_NAMED = 5

#: Characters that chat systems interpret. Findings may quote names from the data.
_MARKUP = str.maketrans("<>[]`*", "()()''")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


class Level(StrEnum):
    """Severity. Addresses can be limited to the first two."""

    ERROR = "error"
    WARN = "warn"
    RECOVERED = "recovered"

    @property
    def rank(self) -> int:
        """Position in the order of severity: 0 is the worst."""
        return list(Level).index(self)


@dataclass(frozen=True)
class Finding:
    """One evaluation of a check."""

    asset: str
    check: str
    partition: str  # "" for a check without partitions
    level: Level
    figures: str
    was: Level | None = None  # level before, if it failed
    faults: Mapping[Fault, int] = field(default_factory=dict)
    hints: Mapping[Fault, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Alert:
    """One message about one asset in one run."""

    level: Level
    severity: Level  # of a recovery, the level of its failure
    subject: str
    lines: tuple[str, ...]
    asset: str = ""
    owner: str = ""
    run_id: str = ""
    findings: int = 1  # number of failures in it


def check_alerts(findings: Iterable[Finding], run_id: str, owners: Mapping[str, str]) -> list[Alert]:
    """Return an alert for each failed and each recovered asset, the worst first."""
    groups: dict[tuple[str, bool], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.asset, finding.level is Level.RECOVERED), []).append(finding)
    alerts = [_check_alert(asset, group, run_id, owners.get(asset, "")) for (asset, _), group in groups.items()]
    return sorted(alerts, key=lambda alert: (alert.level.rank, alert.asset))


def _check_alert(asset: str, group: Sequence[Finding], run_id: str, owner: str) -> Alert:
    by_check: dict[tuple[Level, str], list[Finding]] = {}
    for finding in group:
        by_check.setdefault((finding.level, finding.check), []).append(finding)
    level = _worst_level(finding.level for finding in group)
    names = sorted({finding.check for finding in group})
    verb = "passes again" if level is Level.RECOVERED else "failed"
    return Alert(
        level=level,
        severity=_worst_level(finding.was or finding.level for finding in group) if level is Level.RECOVERED else level,
        subject=f"{asset}: {', '.join(names)} {verb}",
        lines=_shortened([line for key, of_check in sorted(by_check.items()) for line in _check_lines(*key, of_check)]),
        asset=asset,
        owner=owner,
        run_id=run_id,
        findings=len(group),
    )


def _check_lines(level: Level, check: str, findings: Sequence[Finding]) -> list[str]:
    partitions = describe_partitions(finding.partition for finding in findings)
    if level is Level.RECOVERED:
        return [f"{check} passes again{partitions}"]
    last = max(findings, key=lambda finding: finding.partition)
    on = f" ({last.partition})" if len(findings) > 1 else ""
    return [f"{level.upper()} {check}{partitions}", f"  {plain(last.figures)}{on}", *_cause_lines(findings)]


def _cause_lines(findings: Sequence[Finding]) -> list[str]:
    """Return the likely cause of each fault, the largest first, with its hint from the latest day that has one."""
    faults, hints = Counter[Fault](), dict[Fault, str]()
    for finding in sorted(findings, key=lambda finding: finding.partition):
        faults.update(finding.faults)
        hints.update(finding.hints)
    lines = []
    for fault, count in faults.most_common(_CAUSES_IN_AN_ALERT):
        concerned = f" of {count:,} {fault.replace('_', ' ')}" if len(faults) > 1 else ""
        hint = f" {plain(hints[fault])}." if fault in hints else ""
        lines.append(f"  Likely cause{concerned}: {fault.cause}{hint} {fault.remedy}")
    return lines


def run_alerts(
    run_id: str, steps: Mapping[str, str], assets: Mapping[str, str], owners: Mapping[str, str]
) -> list[Alert]:
    """Return the alerts of a failed run: one for each failed asset, and one for all other steps.

    `steps` and `assets` map names to errors.
    """
    alerts = [
        Alert(
            level=Level.ERROR,
            severity=Level.ERROR,
            subject=f"{asset}: not materialized",
            lines=(plain(error), f"Likely cause: {CAUSES[Failure.ASSET]}"),
            asset=asset,
            owner=owners.get(asset, ""),
            run_id=run_id,
        )
        for asset, error in sorted(assets.items())
    ]
    if steps:
        lines = _shortened([f"{step}: {plain(error)}" for step, error in sorted(steps.items())])
        subject, cause = f"run failed: {', '.join(sorted(steps))}", f"Likely cause: {CAUSES[Failure.RUN]}"
        alerts.append(Alert(Level.ERROR, Level.ERROR, subject, (*lines, cause), run_id=run_id))
    return alerts


def freshness_alert(asset: str, level: Level, severity: Level, owner: str) -> Alert:
    """Return the alert for an asset that missed its freshness limit or is fresh again."""
    if level is Level.RECOVERED:
        return Alert(level, severity, f"{asset}: fresh again", ("It is materialized in time again.",), asset, owner)
    return Alert(level, severity, f"{asset}: not fresh", (f"Likely cause: {CAUSES[Failure.FRESHNESS]}",), asset, owner)


def summary(alerts: Sequence[Alert], more: int) -> Alert:
    """Summarize many alerts in one. `more` is the number of findings that were dropped before."""
    findings = sum(alert.findings for alert in alerts) + more
    worst = _worst_level(alert.level for alert in alerts)
    counts = {level: sum(alert.level is level for alert in alerts) for level in Level}
    listed = ", ".join(f"{count} {level}" for level, count in counts.items() if count)
    ranked = sorted(alerts, key=lambda alert: (alert.level.rank, -alert.findings, alert.subject))
    runs = list(dict.fromkeys(alert.run_id for alert in ranked if alert.run_id))
    return Alert(
        level=worst,
        severity=_worst_level(alert.severity for alert in alerts),
        subject=f"{findings:,} findings at once",
        lines=(
            f"Too many to list: {listed}" + (f", and {more:,} earlier findings" if more else ""),
            *_shortened([f"{alert.level.upper()} {alert.subject} ({alert.findings:,})" for alert in ranked]),
            f"Runs: {first_few(runs, _NAMED)}",
        ),
        run_id=runs[0] if runs else "",
        findings=findings,
    )


def message(alert: Alert, environment: str, ui_url: str) -> tuple[str, str]:
    """Return title and body, as plain text."""
    link = f"{ui_url}/runs/{alert.run_id}" if alert.run_id else f"{ui_url}/assets/{alert.asset}"
    return f"[{environment}] {alert.level.upper()} {alert.subject}"[:200], "\n".join([*alert.lines, link])


def describe_partitions(partitions: Iterable[str]) -> str:
    """Return partitions as ` on 2025-06-01 to 2025-06-03, 2025-06-05`, or an empty text if there are none."""
    ranges = partition_ranges(partition for partition in partitions if partition)
    listed = [plain(first) if first == last else f"{first} to {last}" for first, last in ranges]
    return f" on {first_few(listed, _NAMED, 'ranges')}" if listed else ""


def plain(text: str) -> str:
    """Return text without markup and links, in one line of bounded length."""
    line = _CONTROL.sub(" ", text).translate(_MARKUP)
    cut = line if len(line) <= _CHARACTERS_OF_A_FINDING else f"{line[:_CHARACTERS_OF_A_FINDING]}…"
    return without_links(cut)


def _shortened(lines: Sequence[str]) -> tuple[str, ...]:
    if len(lines) <= _LINES_IN_AN_ALERT:
        return tuple(lines)
    return (*lines[:_LINES_IN_AN_ALERT], f"and {len(lines) - _LINES_IN_AN_ALERT:,} more lines")


def _worst_level(levels: Iterable[Level]) -> Level:
    return min(levels, key=lambda level: level.rank)

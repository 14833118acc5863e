"""What alerts say: failures of a run, grouped by asset, in words that can be acted upon. Pure functions on records."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from event_platform.defs.alerts.causes import CAUSES
from event_platform.defs.automation.requests import date_ranges
from event_platform.quality.text import without_links

#: More alerts than this for one address at once become a summary.
FLOOD = 10
_LINES_IN_AN_ALERT = 12
_CHARACTERS_OF_A_FINDING = 300

#: What chat systems take for a mention, a link or the end of a quotation. Findings may quote names out of the data.
_MARKUP = str.maketrans("<>[]`*", "()()''")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


class Level(StrEnum):
    """How bad it is. The first two are what addresses can be limited to."""

    ERROR = "error"
    WARN = "warn"
    RECOVERED = "recovered"

    @property
    def rank(self) -> int:
        """Its place among the levels: the worst is 0."""
        return list(Level).index(self)


@dataclass(frozen=True)
class Finding:
    """One evaluation of a check: the worst thing that a message quotes."""

    asset: str
    check: str
    partition: str  # "" for a check without partitions
    level: Level
    figures: str
    was: Level | None = None  # before, where that was bad


@dataclass(frozen=True)
class Alert:
    """One message: what happened to one asset in one run."""

    level: Level
    severity: Level  # of what is told; of a recovery, how bad it was
    subject: str
    lines: tuple[str, ...]
    asset: str = ""
    owner: str = ""
    run_id: str = ""
    findings: int = 1  # failures that it stands for


def check_alerts(findings: Iterable[Finding], run_id: str, owners: Mapping[str, str]) -> list[Alert]:
    """Return one alert for each asset and each of failed and recovered, the worst first."""
    groups: dict[tuple[str, bool], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.asset, finding.level is Level.RECOVERED), []).append(finding)
    alerts = [_check_alert(asset, group, run_id, owners.get(asset, "")) for (asset, _), group in groups.items()]
    return sorted(alerts, key=lambda alert: (alert.level.rank, alert.asset))


def _check_alert(asset: str, group: Sequence[Finding], run_id: str, owner: str) -> Alert:
    by_check: dict[tuple[Level, str], list[Finding]] = {}
    for finding in group:
        by_check.setdefault((finding.level, finding.check), []).append(finding)
    level = _worst(finding.level for finding in group)
    names = sorted({finding.check for finding in group})
    what = "passes again" if level is Level.RECOVERED else "failed"
    return Alert(
        level=level,
        severity=_worst(finding.was or finding.level for finding in group) if level is Level.RECOVERED else level,
        subject=f"{asset}: {', '.join(names)} {what}",
        lines=_shortened([line for key, found in sorted(by_check.items()) for line in _check_lines(*key, found)]),
        asset=asset,
        owner=owner,
        run_id=run_id,
        findings=len(group),
    )


def _check_lines(level: Level, check: str, found: Sequence[Finding]) -> list[str]:
    where = shown_partitions(finding.partition for finding in found)
    if level is Level.RECOVERED:
        return [f"{check} passes again{where}"]
    last = max(found, key=lambda finding: finding.partition)
    on = f" ({last.partition})" if len(found) > 1 else ""
    cause = [f"  Likely cause: {CAUSES[check]}"] if check in CAUSES else []
    return [f"{level.upper()} {check}{where}", f"  {plain(last.figures)}{on}", *cause]


def run_alerts(
    run_id: str, steps: Mapping[str, str], assets: Mapping[str, str], owners: Mapping[str, str]
) -> list[Alert]:
    """Return the alerts of a failed run: one for each asset that is known to have failed, and one for its other steps.

    `steps` and `assets` say what went wrong, by name.
    """
    alerts = [
        Alert(
            level=Level.ERROR,
            severity=Level.ERROR,
            subject=f"{asset}: not materialized",
            lines=(plain(told), f"Likely cause: {CAUSES['asset']}"),
            asset=asset,
            owner=owners.get(asset, ""),
            run_id=run_id,
        )
        for asset, told in sorted(assets.items())
    ]
    if steps:
        lines = _shortened([f"{step}: {plain(told)}" for step, told in sorted(steps.items())])
        subject, cause = f"run failed: {', '.join(sorted(steps))}", f"Likely cause: {CAUSES['run']}"
        alerts.append(Alert(Level.ERROR, Level.ERROR, subject, (*lines, cause), run_id=run_id))
    return alerts


def freshness_alert(asset: str, level: Level, severity: Level, owner: str) -> Alert:
    """Return the alert of an asset that was not materialized in time, or is again."""
    if level is Level.RECOVERED:
        return Alert(level, severity, f"{asset}: fresh again", ("It is materialized in time again.",), asset, owner)
    return Alert(level, severity, f"{asset}: not fresh", (f"Likely cause: {CAUSES['freshness']}",), asset, owner)


def summary(alerts: Sequence[Alert], more: int) -> Alert:
    """Return one alert in the place of many. `more` are those of which only the number is left."""
    findings = sum(alert.findings for alert in alerts) + more
    worst = _worst(alert.level for alert in alerts)
    counts = {level: sum(alert.level is level for alert in alerts) for level in Level}
    listed = ", ".join(f"{count} {level}" for level, count in counts.items() if count)
    ranked = sorted(alerts, key=lambda alert: (alert.level.rank, -alert.findings, alert.subject))
    runs = list(dict.fromkeys(alert.run_id for alert in ranked if alert.run_id))
    return Alert(
        level=worst,
        severity=_worst(alert.severity for alert in alerts),
        subject=f"{findings:,} findings at once",
        lines=(
            f"Too many to tell one by one: {listed}" + (f", and {more:,} earlier findings" if more else ""),
            *_shortened([f"{alert.level.upper()} {alert.subject} ({alert.findings:,})" for alert in ranked]),
            f"Runs: {', '.join(runs[:5])}" + (f" and {len(runs) - 5:,} more" if len(runs) > 5 else ""),  # noqa: PLR2004
        ),
        run_id=runs[0] if runs else "",
        findings=findings,
    )


def message(alert: Alert, environment: str, ui_url: str) -> tuple[str, str]:
    """Return title and body, as plain text."""
    link = f"{ui_url}/runs/{alert.run_id}" if alert.run_id else f"{ui_url}/assets/{alert.asset}"
    return f"[{environment}] {alert.level.upper()} {alert.subject}"[:200], "\n".join([*alert.lines, link])


def shown_partitions(partitions: Iterable[str]) -> str:
    """Return them in short: ` on 2025-06-01 to 2025-06-03, 2025-06-05`; nothing where there are no partitions."""
    found = partition_ranges(partition for partition in partitions if partition)
    shown = [plain(first) if first == last else f"{first} to {last}" for first, last in found]
    more = f" and {len(shown) - 5} more ranges" if len(shown) > 5 else ""  # noqa: PLR2004
    return f" on {', '.join(shown[:5])}{more}" if shown else ""


def partition_ranges(partitions: Iterable[str]) -> list[tuple[str, str]]:
    """Group the keys that are days into ranges; others, of somebody's own assets, are ranges of one."""
    keys = set(partitions)
    days = {day for day in keys if _is_day(day)}
    found = date_ranges([date.fromisoformat(day) for day in days])
    return [
        *((first.isoformat(), last.isoformat()) for first, last in found),
        *((key, key) for key in sorted(keys - days)),
    ]


def _is_day(partition: str) -> bool:
    try:
        return date.fromisoformat(partition).isoformat() == partition
    except ValueError:
        return False


def plain(text: str) -> str:
    """Return text that no address takes for markup or for a link, in one line of bounded length."""
    line = _CONTROL.sub(" ", text).translate(_MARKUP)
    cut = line if len(line) <= _CHARACTERS_OF_A_FINDING else f"{line[:_CHARACTERS_OF_A_FINDING]}…"
    return without_links(cut)


def _shortened(lines: Sequence[str]) -> tuple[str, ...]:
    if len(lines) <= _LINES_IN_AN_ALERT:
        return tuple(lines)
    return (*lines[:_LINES_IN_AN_ALERT], f"and {len(lines) - _LINES_IN_AN_ALERT:,} more lines")


def _worst(levels: Iterable[Level]) -> Level:
    return min(levels, key=lambda level: level.rank)

"""The daily history and findings of one event type → its page.

The same history gives the same bytes. Names, fields and values are data: they pass through `shown`, and the templates
escape everything.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from event_platform.checks.result import Finding
from event_platform.checks.volume import NAME as VOLUME
from event_platform.events.catalog import EventType
from event_platform.events.personal import personal_paths
from event_platform.events.wording import counted
from event_platform.quality.canvas import SMALL
from event_platform.quality.failures import Status, count_failed, list_failures, status_of
from event_platform.quality.history import days_before, usual
from event_platform.quality.plots import Interval, draw_days
from event_platform.quality.rendering import render
from event_platform.quality.schema_table import list_schema, list_untyped
from event_platform.quality.text import shown, shown_in_line
from event_platform.quality.type_figures import (
    TypeFigures,
    ValueLine,
    list_days,
    list_drift,
    list_nulls,
    list_values,
    read_figures,
    share_of,
    sum_labels,
)

#: Number of days to show, and to search for the begin of a drift.
_SHOWN, _KNOWN = 30, 90

_TEXT_LENGTH = 500
_EXAMPLE_LENGTH = 5_000


def draw_type(
    event_type: EventType,
    history: pl.DataFrame,
    findings: Mapping[date, Sequence[Finding]],
    today: date,
    example: str = "",
) -> bytes:
    """Render the page of an event type, of the 30 days up to `today`.

    `history` has the columns created_date, figure, event_name, label and value. It and `findings` may have other types
    and assets as well. `example` is a row, as text.
    """
    known = days_before(today, _KNOWN)
    days = known[-_SHOWN:]
    figures = read_figures(event_type, history, known)
    findings_by_day = {
        day: [finding for finding in findings.get(day, ()) if finding.asset == f"events/{event_type.key}"]
        for day in days
    }
    events = sum_labels(figures, "events")
    reported = {day for by_day in figures.values() for day in by_day}
    values = {
        "name": shown(event_type.name, _TEXT_LENGTH),
        "key": event_type.key,
        "description": shown_in_line(event_type.description, _TEXT_LENGTH),
        "owner": shown(event_type.owner or "", _TEXT_LENGTH),
        "other_names": [shown(other_name, _TEXT_LENGTH) for other_name in event_type.other_names],
        "days": days,
        "last_seen": max((day for day in events if events[day]), default=None),
        "verdict": _judge(findings_by_day, days),
        "failures": list_failures(
            (finding for of_day in findings_by_day.values() for finding in of_day), {event_type.key}
        ),
        "lines": list_days(figures, findings_by_day, [day for day in days if findings_by_day[day] or day in reported]),
        "nulls": list_nulls(event_type, figures, events, days),
        "drift": list_drift(figures, days, known),
        "values": _values(event_type, figures, days),
        "schema": list_schema(event_type, _distinct(figures, days)),
        "untyped": list_untyped(event_type),
        "example": shown(example, _EXAMPLE_LENGTH),
        "script": None,
    }
    return render("type.html.jinja", values | _plots(figures, findings_by_day, days))


def _judge(findings: Mapping[date, Sequence[Finding]], days: Sequence[date]) -> tuple[Status, str]:
    """Return the status of the last checked day, and a sentence about it and the days before."""
    checked = [day for day in days if findings[day]]
    if not checked:
        return Status.UNKNOWN, f"Not checked in the last {len(days)} days."
    last = checked[-1]
    failed = sum(status_of(findings[day]) in (Status.WARN, Status.ERROR) for day in checked)
    verdict = count_failed(findings[last]) or "all checks passed"
    return status_of(
        findings[last]
    ), f"{last}: {verdict}; checks failed on {failed} of the last {counted(len(checked), 'day')}."


def _values(event_type: EventType, figures: TypeFigures, days: Sequence[date]) -> dict[str, list[ValueLine]]:
    """Return the values of columns with few values, except personal columns."""
    personal = {path[0] for path in personal_paths(event_type.stored)}
    return {column: lines for column, lines in list_values(figures, days).items() if column not in personal}


def _distinct(figures: TypeFigures, days: Sequence[date]) -> dict[str, int]:
    """Return the distinct values of each column in the last day's sample that has any."""
    by_column = {
        label: by_day for (figure, label), by_day in figures.items() if figure == "distinct" and label is not None
    }
    last = max((day for by_day in by_column.values() for day in by_day if day in days), default=None)
    return {label: by_day[last] for label, by_day in by_column.items() if last in by_day} if last else {}


def _plots(
    figures: TypeFigures, findings: Mapping[date, Sequence[Finding]], days: Sequence[date]
) -> dict[str, dict[str, str]]:
    events, late, duplicates = (sum_labels(figures, name) for name in ("events", "late", "duplicates"))
    first = min(events, default=days[-1])  # unknown before
    known = {day: events.get(day, 0) for day in days_before(days[-1], _KNOWN) if day >= first}
    records = {day: events.get(day, 0) + duplicates.get(day, 0) for day in days}
    volume = draw_days(
        "Events of each day",
        {day: known.get(day) for day in days},
        expected=_expected(findings),
        usual=usual({day: value for day, value in known.items() if value}, days),
        flagged={
            day
            for day in days
            if any(finding.check == VOLUME and not finding.result.passed for finding in findings[day])
        },
    )
    shares = {"Late": share_of(late, events, days), "Duplicates": share_of(duplicates, records, days)}
    drawn = {name: draw_days(f"{name}, share", by_day, size=SMALL, percent=True) for name, by_day in shares.items()}
    return {"plots": {"Events": volume, **drawn}}


def _expected(findings: Mapping[date, Sequence[Finding]]) -> dict[date, Interval]:
    """Return the expected range of each day by the volume check: `low` and `high` in its metadata."""
    by_day = {
        day: finding.result.metadata
        for day, of_day in findings.items()
        for finding in of_day
        if finding.check == VOLUME
    }
    return {
        day: Interval(metadata["low"], metadata["high"])
        for day, metadata in by_day.items()
        if "low" in metadata and "high" in metadata
    }

"""The daily history and its findings → the first page of the quality report.

The same history gives the same bytes. Names come from the data: they pass through `shown`, and the templates escape
everything.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from event_platform.checks.result import Finding
from event_platform.events.catalog import EventType
from event_platform.events.wording import counted
from event_platform.quality.calendar import list_months
from event_platform.quality.failures import Status, count_failed, list_failures, status_of
from event_platform.quality.history import days_of, sum_days
from event_platform.quality.ledger import LedgerDay, balance_days, cost_days
from event_platform.quality.rendering import read_script, render
from event_platform.quality.trends import SPANS, draw_trends
from event_platform.quality.types_table import list_types

#: Number of days in the tables; the ledger also has earlier ones that do not balance.
_RECENT = 30
_MONTHS_OPEN = 12
_FAILURES_OPEN, _FAILURES_LISTED = 6, 30

_STATUS_IN_WORDS = {Status.PASSED: "all checks passed", Status.UNKNOWN: "not checked"}


def draw_index(
    history: pl.DataFrame,
    findings: Mapping[date, Sequence[Finding]],
    event_types: Sequence[EventType],
    today: date,
    older: Mapping[date, Status] = {},
    cpu: Mapping[date, float] = {},
    filtered: Mapping[date, int] | None = None,
) -> bytes:
    """Render the index of a lake.

    `history` has the columns created_date, figure, event_name, label and value, for 90 days or more. `findings` are the
    results of the checks on each of these days, passed ones included. The calendar also has the status of `older` days.
    `cpu` are the CPU seconds by day; `filtered` are the events that the stream's filter dropped, by arrival date; None
    without a filter.
    """
    totals = sum_days(history)
    reported = {day for by_day in totals.values() for day in by_day if day <= today}
    days = days_of(reported)
    if not days:
        return render("index.html.jinja", {"days": [], "script": None})
    recent, keys = days[-_RECENT:], {event_type.key for event_type in event_types}
    ledger = balance_days(history, totals, sorted(reported), filtered)
    failures = list_failures((finding for day in recent for finding in findings.get(day, ())), keys)
    values = {
        "days": days,
        "events": counted(sum(totals.get("events", {}).values()), "event"),
        "types": counted(len(event_types), "event type"),
        "verdict": judge_lake(ledger, findings, recent),
        "failures": failures,
        "failures_open": _FAILURES_OPEN,
        "failures_listed": _FAILURES_LISTED,
        "months_open": _MONTHS_OPEN,
        "months": list_months(days_of({*days, *older}), findings, reported, older),
        "spans": SPANS,
        "trends": draw_trends(totals, days),
        "lines": list_types(history, findings, event_types, recent),
        "recent": len(recent),
        "with_filtered": filtered is not None,
        "ledger": [row for row in reversed(ledger) if row.day >= recent[0] or not row.balanced],
        "costs": list(reversed(cost_days(history, totals, cpu, [day for day in recent if day in reported]))),
        "script": read_script("index.js"),
    }
    return render("index.html.jinja", values)


def judge_lake(
    ledger: Sequence[LedgerDay], findings: Mapping[date, Sequence[Finding]], recent: Sequence[date]
) -> tuple[Status, str]:
    """Return the status of a lake, and a sentence about its last day, the days before, and its totals."""
    last = recent[-1]
    failed = [day for day in recent if status_of(findings.get(day, ())) in (Status.WARN, Status.ERROR)]
    wrong = [row.day for row in ledger if not row.balanced]
    verdict = _STATUS_IN_WORDS.get(status_of(findings.get(last, ()))) or count_failed(findings[last])
    before = (
        f"checks failed on {len(failed)} of the last {counted(len(recent), 'day')}"
        if failed
        else "nothing failed before"
    )
    sums = (
        f"totals do not balance on {counted(len(wrong), 'day')}"
        if wrong
        else "nothing is lost: totals balance on every day"
    )
    status = Status.ERROR if wrong else status_of(findings.get(last, ()))
    return status, f"{last}: {verdict}; {before}; {sums}."

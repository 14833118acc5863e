"""The first page of the report: what is wrong in a lake, since when, and what to do."""

import re
from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest

from event_platform.checks.faults import Fault
from event_platform.checks.result import Finding, Result
from event_platform.quality.failures import Status, list_failures
from event_platform.quality.index import draw_index
from event_platform.quality.ledger import percentile
from event_platform.quality.rendering import read_script
from event_platform_tests.support.history import LAST, SCHEMA, MadeUp, make_history
from event_platform_tests.support.html import HOSTILE, Seen

LAKE = make_history(days=60, types=6)
DAY = timedelta(days=1)


def draw(lake: MadeUp = LAKE) -> Seen:
    """Draw a lake, and read its page."""
    return Seen(draw_index(lake.history, lake.findings, lake.event_types, lake.today))


def only(days: int, lake: MadeUp = LAKE) -> MadeUp:
    """Return the last days of a lake."""
    first = LAST - (days - 1) * DAY
    kept = {day: finding for day, finding in lake.findings.items() if day >= first}
    return replace(lake, history=lake.history.filter(pl.col("created_date") >= first), findings=kept)


def changed(figure: str, day: date, by: int) -> MadeUp:
    """Return the lake with another value of a figure of a day, in its row without a label."""
    row = (pl.col("figure") == figure) & (pl.col("created_date") == day) & pl.col("event_name").is_null()
    value = pl.when(row).then(pl.col("value") + by).otherwise(pl.col("value")).alias("value")
    return replace(LAKE, history=LAKE.history.with_columns(value))


def test_the_lake_has_a_verdict_in_one_sentence() -> None:
    """Its last day, the days before, and its totals."""
    last, before = "2025-06-30: 3 warnings", "checks failed on 13 of the last 30 days"
    assert f"! {last}; {before}; nothing is lost: totals balance on every day." in draw().words


def test_failures_say_since_when_why_and_what_to_do() -> None:
    """The newest first; a daily failure is listed once, with its first day."""
    text = draw().text
    places = [text.index(f"{day} {check}") for day, check in (("2025-06-30", "volume"), ("2025-06-29", "volume"))]
    assert places == sorted(places)
    assert "1,640 x unknown field: promo_code; 546 x rescued: amount on each day since 2025-06-20" in text
    for fault in (Fault.UNKNOWN_FIELDS, Fault.BROKEN_RULES, Fault.ARRIVAL_GAP):
        assert fault.cause in text
        assert fault.remedy in text
    assert "types/account_started.html" in draw().links


def test_code_of_a_remedy_is_code() -> None:
    """Backticks are not shown."""
    shown = draw(only(26)).text
    assert (
        'Look at the bodies: event-platform query "select corruption_reason, body from corrupt_events limit 20"'
        in shown
    )


def test_failures_of_one_kind_are_one() -> None:
    """A hundred tables that fail alike on a day; an error comes before warnings of its day, a newer day before both."""

    def failed(asset: str, day: date, fault: Fault, count: int) -> Finding:
        return Finding(asset, "volume", day, Result(passed=False, description=str(count), faults={fault: count}))

    findings = [
        *(failed(f"events/t{number}", LAST, Fault.TOO_FEW_EVENTS, number) for number in range(100)),
        failed("events/x", LAST, Fault.TOO_MANY_EVENTS, 5),
        failed("events/y", LAST + DAY, Fault.TOO_MANY_EVENTS, 1),
        Finding("raw_events", "volume", LAST, Result.from_error(ValueError("no such table"))),
    ]
    found = list_failures(findings, {"t99"})
    assert [(each.day, len(each.tables)) for each in found] == [(LAST + DAY, 1), (LAST, 100), (LAST, 1), (LAST, 1)]
    assert [(table.name, table.key) for table in found[1].tables[:2]] == [("events/t99", "t99"), ("events/t98", None)]
    causes = [each.cause for failure in found for each in failure.advice]
    assert {"The check could not be evaluated.", Fault.TOO_FEW_EVENTS.cause} <= set(causes)
    assert len(causes) == 4


def test_each_kind_that_a_check_found_has_advice() -> None:
    """What concerns the most first."""
    faults = {Fault.RESCUED_VALUES: 3, Fault.UNKNOWN_FIELDS: 9}
    (failure,) = list_failures(
        [Finding("events/x", "c", LAST, Result(passed=False, description="", faults=faults))], ()
    )
    assert [each.cause for each in failure.advice] == [Fault.UNKNOWN_FIELDS.cause, Fault.RESCUED_VALUES.cause]


def test_every_day_is_in_the_calendar_with_a_sign_and_a_link() -> None:
    """Colors are not all that says what is wrong."""
    html = draw_index(LAKE.history, LAKE.findings, LAKE.event_types, LAKE.today).decode()
    cells = re.findall(r'<td class="(\w+)" title="[\d-]+: ([^"]*)"><a href="([\d-]+).html">(\d+.?)</a>', html)
    assert [cell[2] for cell in cells if cell[2].startswith("2025-06")] == [
        f"2025-06-{day:02d}" for day in range(1, 31)
    ]
    assert len(cells) == 60
    assert ("error", "1 error", "2025-06-05", "5✗") in cells
    assert ("warn", "3 warnings", "2025-06-30", "30!") in cells
    assert ("passed", "all checks passed", "2025-06-06", "6") in cells


def test_types_that_fail_come_first() -> None:
    """Then those with most events; each with what it is about."""
    html = draw_index(LAKE.history, LAKE.findings, LAKE.event_types, LAKE.today).decode()
    lines = html[html.index('<table id="types">') :]
    names = re.findall(r'<a href="types/(\w+).html">', lines[: lines.index("</table>")])
    assert names[:3] == ["lesson_started", "account_started", "course_started"]
    assert names[3:] == ["payment_started", "exercise_started", "streak_started"]
    assert "course:started ! warns 2 " in Seen(lines.encode()).text
    assert re.search(r"2025-06-28 [\d.]+% team:courses", Seen(lines.encode()).text)


def test_totals_that_differ_are_seen_however_old() -> None:
    """In the verdict, and in the ledger, which has the last thirty days otherwise."""
    assert "totals do not balance" not in draw().text
    old = LAST - 50 * DAY
    for figure in ("landed", "created", "unregistered"):
        lake = changed(figure, old, 1) if figure == "landed" else LAKE
        if figure != "landed":
            extra = pl.DataFrame([(old, figure, None, None, 7)], schema=SCHEMA, orient="row")
            lake = replace(LAKE, history=pl.concat([LAKE.history, extra]))
        seen = draw(lake)
        assert "totals do not balance on 1 day" in seen.text, figure
        assert seen.links.count(f"{old}.html") == 2, figure
    assert draw().links.count(f"{old}.html") == 1


def test_the_ledger_goes_back_to_a_filter_in_the_stream() -> None:
    """With a filter: sent = landed + dropped. This has no effect on the verdict."""
    landed = LAKE.history.filter((pl.col("created_date") == LAST) & (pl.col("figure") == "landed"))["value"].sum()
    drawn = draw_index(
        LAKE.history, LAKE.findings, LAKE.event_types, LAKE.today, filtered={LAST: 7, LAST - 99 * DAY: 1}
    )
    text = Seen(drawn).text
    assert f"{landed + 7:,} = {landed:,} + 7 ✓" in text
    assert "nothing is lost: totals balance on every day" in text
    assert "sent = landed + filtered" in text
    assert "filter" not in draw().text


def test_arrival_and_cost_are_shown() -> None:
    """Percentiles of the lag, and hours without objects; CPU time where it is known."""
    cpu = {date(2025, 6, 24): 1234.56}
    text = Seen(draw_index(LAKE.history, LAKE.findings, LAKE.event_types, LAKE.today, cpu=cpu)).text
    assert re.search(r"2025-06-24 0 h 7 h 3 [\d,]+ [\d.]+ MB 1,234\.6 s", text)
    assert re.search(r"2025-06-25 0 h 7 h 0 [\d,]+ ", text)
    assert [percentile({0: 50, 1: 45, 168: 5}, share) for share in (0.5, 0.95, 0.96)] == [0, 1, 168]
    assert percentile({}, 0.5) is None


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_others_is_never_markup(text: str) -> None:
    """Names of tables and types, owners, descriptions: elements and attributes are those of a page without it."""

    def with_text(each: str) -> Seen:
        failed = Result(passed=False, description=each, faults={Fault.MALFORMED_RECORDS: 1})
        findings = {LAST: [Finding(each, each, LAST, failed), Finding(f"events/{each}", "x", LAST, failed)]}
        hostile = [replace(LAKE.event_types[0], name=each, owner=each)]
        rows = [
            (LAST, figure, each, each, 3) for figure in ("events", "unregistered", "unknown_field", "objects", "lag")
        ]
        history = pl.DataFrame(rows, schema=SCHEMA, orient="row")
        return Seen(draw_index(history, findings, hostile, LAST))

    found, plain = with_text(text), with_text("plain")
    assert found.tags == plain.tags
    assert found.attributes == plain.attributes
    assert found.text.count(text) >= 6


def test_the_same_history_gives_the_same_bytes() -> None:
    """Whatever the order of its rows and of what was found."""
    shuffled = replace(
        LAKE,
        history=LAKE.history.sample(fraction=1, shuffle=True, seed=3),
        findings={day: list(reversed(finding)) for day, finding in reversed(list(LAKE.findings.items()))},
    )
    first, second = (draw_index(each.history, each.findings, each.event_types, each.today) for each in (LAKE, shuffled))
    assert first == second


def test_a_lake_of_little_has_a_page() -> None:
    """An empty lake, one day, one type, no type, no checks, only corrupt records."""
    nothing = draw(MadeUp(SCHEMA.to_frame(), {}, LAKE.event_types, LAST))
    assert "Nothing has been reported yet." in nothing.words
    assert "section" not in nothing.tags
    assert "2025-06-30: 3 warnings; checks failed on 1 of the last 1 day;" in draw(only(1)).text
    assert "of 1 event type, 2025-06-23" in draw(make_history(days=8, types=1)).text
    assert "of 0 event types" in draw(replace(LAKE, event_types=(), findings={})).text
    assert "2025-06-30: not checked" in draw(replace(LAKE, findings={})).text
    corrupt = pl.DataFrame([(LAST, "corrupt", None, "not_json", 4)], schema=SCHEMA, orient="row")
    assert "0 events of 6 event types, 2025-06-30" in draw(MadeUp(corrupt, {}, LAKE.event_types, LAST)).text


def test_days_without_a_row_are_days() -> None:
    """A day of which nothing arrived is seen in the calendar and in the plots; it has no page."""
    gap = LAST - 3 * DAY
    lake = replace(
        LAKE, history=LAKE.history.filter(pl.col("created_date") != gap), findings={**LAKE.findings, gap: []}
    )
    html = draw_index(lake.history, lake.findings, lake.event_types, lake.today).decode()
    assert f'title="{gap}: not checked">27</td>' in html
    assert f"{gap}.html" not in html
    assert f"<title>{gap}: 0</title>" in html


def test_a_long_lake_is_short() -> None:
    """Every day is in the calendar; tables have thirty."""
    lake = make_history(days=500, types=2)
    html = draw_index(lake.history, lake.findings, lake.event_types, lake.today)
    assert len(html) < 200_000
    assert html.count(b'title="20') == 500
    assert html.count(b'<th scope="row"') == 60


def test_older_days_are_in_the_calendar() -> None:
    """By their status alone: their figures need not be read."""
    older = {
        LAST - ago * DAY: status for ago, status in ((1200, Status.ERROR), (1199, Status.PASSED), (70, Status.WARN))
    }
    html = draw_index(LAKE.history, LAKE.findings, LAKE.event_types, LAKE.today, older).decode()
    assert html.count(' title="20') == 1201
    assert '<td class="error" title="2022-03-18: errors"><a href="2022-03-18.html">18✗</a></td>' in html
    assert '<td class="unknown" title="2022-03-20: not checked">20</td>' in html
    assert "2022-03-18" not in html[html.index('<section id="trends">') :]


def test_the_page_needs_nothing_beside_itself() -> None:
    """Only addresses of other pages, and one script, which the page allows by its hash."""
    html = draw_index(LAKE.history, LAKE.findings, LAKE.event_types, LAKE.today)
    seen = Seen(html)
    assert seen.tags.count("script") == 1
    assert not set(seen.tags) & {"link", "img", "iframe", "object", "base", "form"}
    assert not [name for name in seen.attributes if name == "src" or name.startswith("on")]
    assert all(re.fullmatch(r"#[a-z-]+|\d{4}-\d\d-\d\d\.html|types/\w+\.html", link) for link in seen.links)
    assert b"url(" not in html
    assert b"@import" not in html
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src '{read_script('index.js').hash}'"
    assert f'content="{policy}"'.encode() in html
    assert f"<script>{read_script('index.js').text}</script>".encode() in html

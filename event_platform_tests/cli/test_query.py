"""`query`: only tables of the lake can be read, and all values can be printed."""

import base64
import csv
import io
import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner
from deltalake import write_deltalake

from event_platform.cli.main import main
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.tables import Table
from event_platform_tests.support.command import use
from event_platform_tests.support.world import MONDAY, World

#: What a terminal obeys: a colour, a window's title, an 8-bit colour, a turn of the direction of writing, a bell.
COMMANDS = "\x1b[31mred\x1b]0;title\x07\x9b32mgreen\u202edlrow\r\x08"


@pytest.fixture
def home(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world that the environment variables name."""
    use(monkeypatch, world)
    return world


@pytest.fixture
def odd(home: World) -> World:
    """A table `events.odd` with a column of each kind, and no row that is like another."""
    rows = pl.DataFrame(
        {
            "created_date": [MONDAY, MONDAY],
            "text": [f"[bold]{COMMANDS}\nsecond line", None],
            "bytes": [b"\xff\x00", None],
            "price": [Decimal("12345678901234567.89"), None],
            "device": [
                {
                    "os": "x",
                    "parts": [{"raw": b"\xff", "price": Decimal("0.10"), "at": datetime(2025, 6, 2, tzinfo=UTC)}],
                },
                None,
            ],
            "tags": [["a", None, 'q"'], []],
        }
    )
    write_deltalake(home.lake.storage.uri("events/odd"), rows, partition_by=["created_date"])
    return home


@pytest.fixture
def many(home: World) -> World:
    """A table `events.many` of 12,345 rows."""
    rows = pl.DataFrame({"n": range(12_345)}).with_columns(created_date=pl.lit(MONDAY))
    write_deltalake(home.lake.storage.uri("events/many"), rows, partition_by=["created_date"])
    return home


def ask(*arguments: str, code: int = 0) -> str:
    """Return what `query` prints; it must end with `code`."""
    result = CliRunner().invoke(main, ["query", *arguments], env={"COLUMNS": "80"})
    assert result.exit_code == code, result.output
    return result.output


def refusal(sql: str) -> str:
    """Return why `sql` is refused: one line."""
    (line,) = [line for line in ask(sql, code=2).splitlines() if line and not line.startswith(("Usage:", "Try "))]
    return line


def rows_of(output: str) -> list[dict[str, Any]]:
    """Return the rows that `--json` printed."""
    rows: list[dict[str, Any]] = json.loads(output)
    return rows


def test_csv_has_lists_and_objects_as_json_and_bytes_as_base64(odd: World) -> None:
    """However deep they are; what is null is empty."""
    first, second = csv.DictReader(io.StringIO(ask("--csv", "select * from events.odd")))
    assert json.loads(first["device"]) == {
        "os": "x",
        "parts": [{"raw": base64.b64encode(b"\xff").decode(), "price": "0.10", "at": "2025-06-02T00:00:00+00:00"}],
    }
    assert json.loads(first["tags"]) == ["a", None, 'q"']
    assert (first["bytes"], first["price"]) == (base64.b64encode(b"\xff\x00").decode(), "12345678901234567.89")
    assert first["text"] == f"[bold]{COMMANDS}\nsecond line"  # to the byte: this is no terminal
    assert second == {
        "created_date": "2025-06-02", "text": "", "bytes": "", "price": "", "device": "", "tags": "[]"
    }  # fmt: skip


def test_csv_of_intervals_is_text(home: World) -> None:
    """Polars writes none."""
    (row,) = csv.DictReader(io.StringIO(ask("--csv", "select interval '90 minutes' as i")))
    assert row["i"] == pl.select(pl.lit(timedelta(minutes=90)).dt.to_string("iso")).item()


def test_maps_are_objects_in_every_form(home: World) -> None:
    """Maps of a catalog, and maps of a user's own table, with keys of other types or values that are bytes."""
    numbers = pl.Series([{1: [b"\xff"], 2: None}, None], dtype=pl.Map(pl.Int64, pl.List(pl.Binary)))
    counts = pl.Series([{"a": 1, "ü": None}, {}], dtype=pl.Map(pl.String, pl.Int64))
    rows = pl.DataFrame({"created_date": [MONDAY] * 2, "n": [1, 2], "numbers": numbers, "counts": counts})
    write_deltalake(home.lake.storage.uri("events/maps"), rows, partition_by=["created_date"])
    sql = "select numbers, counts from events.maps order by n"
    first = {"numbers": {"1": ["/w=="], "2": None}, "counts": {"a": 1, "ü": None}}
    assert rows_of(ask("--json", sql)) == [first, {"numbers": None, "counts": {}}]
    output, empty = csv.DictReader(io.StringIO(ask("--csv", sql)))
    assert {name: json.loads(text) for name, text in output.items()} == first
    assert empty == {"numbers": "", "counts": "{}"}
    assert '{"a":1,"ü":null}' in ask(sql)
    assert [row["type"] for row in rows_of(ask("--json", "describe events.maps"))][-2:] == [
        "map<long, array<binary>>",
        "map<string, long>",
    ]


def test_json_has_bytes_as_base64_however_deep(odd: World) -> None:
    """And every text as it is, with what a terminal would obey written out as JSON lets it be."""
    output = ask("--json", "select * from events.odd")
    first, second = rows_of(output)
    assert (first["bytes"], first["device"]["parts"][0]["raw"]) == ("/wA=", "/w==")
    assert first["text"] == f"[bold]{COMMANDS}\nsecond line"
    assert all(character.isprintable() for character in output.strip())
    assert (second["device"], second["tags"]) == (None, [])


@pytest.mark.parametrize("width", ["80", "1000"], ids=["lines", "a table"])
def test_no_command_of_the_data_reaches_the_terminal(odd: World, monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    """Nor is rich's markup obeyed."""
    monkeypatch.setattr("event_platform.cli.output.OUT._width", int(width))
    output = ask('select text, text as "a[red]\x1b[32m" from events.odd')
    assert all(line.isprintable() for line in output.splitlines())
    assert r"[bold]\u{1b}[31mred\u{1b}]0;title\u{7}\u{9b}32mgreen\u{202e}dlrow\u{d}\u{8}\nsecond line" in output
    assert r"a[red]\u{1b}[32m" in output


def test_no_command_of_the_data_reaches_the_terminal_in_an_error(odd: World) -> None:
    """The error may quote data."""
    assert r"\u{1b}[31mred" in refusal("select cast(text as int) from events.odd")


def test_csv_on_a_terminal_is_visible_too(odd: World) -> None:
    """In a pipe it is what is in the table."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "event_platform", "query", "--csv", "select text from events.odd"]
    subprocess.run(command, env=dict(os.environ), stdout=follower, check=True)
    os.close(follower)
    output = os.read(leader, 10_000).decode()
    os.close(leader)
    assert r"\u{1b}[31mred" in output
    assert all(line.isprintable() for line in output.splitlines())


def test_a_table_shows_a_hundred_rows_and_how_many_more(many: World) -> None:
    """JSON and CSV have all of them."""
    output = ask("select n from events.many order by n desc")
    assert [line for line in output.splitlines() if "12244" in line or "12245" in line] == ["│ 12245 │"]
    assert output.splitlines()[-1] == "12,245 more rows; --json and --csv print all of them"
    assert "more rows" not in ask("select n from events.many limit 100")
    numbers = [row["n"] for row in rows_of(ask("--json", "select n from events.many order by n"))]
    assert numbers == list(range(12_345))
    assert len(ask("--csv", "select n from events.many").splitlines()) == 12_346


def test_all_rows_are_never_in_memory_at_once(many: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are printed part by part, and a table fetches no more than it shows."""
    collected, collect = [], pl.LazyFrame.collect

    def counting(frame: pl.LazyFrame, **options: Any) -> Any:
        result = collect(frame, **options)
        collected.append(result.height)
        return result

    monkeypatch.setattr(pl.LazyFrame, "collect", counting)
    for form in ([], ["--json"], ["--csv"]):
        ask(*form, "select n from events.many")
    assert max(collected) == 101


def test_no_rows_are_no_rows_in_every_form(home: World) -> None:
    """Of a table that nothing was written to."""
    assert ask("--json", "select plan from events.account_created") == "[]\n"
    assert ask("--csv", "select plan from events.account_created") == "plan\n"
    assert "plan" in ask("select plan from events.account_created")


def test_what_does_not_fit_the_terminal_has_a_line_for_each_value(odd: World) -> None:
    """A row that fits is a row of a table."""
    assert 'tags: ["a",null,"q\\""]' in ask("select *, text || text as twice from events.odd").splitlines()
    assert '│ ["a",null,"q\\""] │' in ask("select tags from events.odd").splitlines()


@pytest.mark.parametrize(
    "name",
    ["events.odd", '"events"."odd"', '"events.odd"', "events.ODD", "Events.Odd", '"EVENTS"."odd"', "`events.odd`"],
)
def test_a_table_has_one_name_however_it_is_spelled(odd: World, name: str) -> None:
    """Quoted or not, in any case."""
    assert rows_of(ask("--json", "with t as (from NAME) select count(*) n from t".replace("NAME", name))) == [{"n": 2}]
    assert '"bytes","type":"binary"' in ask("--json", f"describe {name}")


def test_only_the_tables_that_a_statement_names_are_opened(home: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those that a text or a comment speaks of."""
    opened, snapshot = [], Table.snapshot

    def noting(table: Table) -> Snapshot:
        opened.append(table.name)
        return snapshot(table)

    monkeypatch.setattr(Table, "snapshot", noting)
    ask(
        "with a as (select 'raw_events' x /* duplicate_events */ from events.account_created) "
        "select * from a join quality_report b on x = b.label"
    )
    assert sorted(opened) == ["events/account_created", "quality_report"]


@pytest.mark.parametrize(
    "form",
    [
        "select * from {} as t",
        "from {}",
        "with q as (select * from {}) select * from q",
        "with read_csv as (select 1), read_json as (select 1) select * from {}",
        "select (select count(*) from {})",
        "select 1 where exists (select * from {})",
        "select * from raw_events where body in (select * from {})",
        "select * from raw_events natural join {}",
        "select * from raw_events t left join (select * from ({}) u) v on true",
        "select 1 union all select * from {}",
        "values ((select * from {}))",
        "explain select * from {}",
        "((select * from {}))",
    ],
)
def test_nothing_but_the_lake_can_be_read(home: World, form: str) -> None:
    """No file, whatever hides the function that would read it; the file is not opened."""
    fifo = home.root / "fifo"
    os.mkfifo(fifo)  # who opens it waits for ever
    for function in ("read_csv", "read_parquet", "read_ipc", "read_json", "read_ndjson", "Read_CSV"):
        for written in (function, f'"{function}"', f"`{function}`", f"{function} /* ( */ -- (\n"):
            message = refusal(form.format(f"{written}('{fifo}')"))
            assert message.endswith(
                f"{function} is not allowed: only the lake's tables can be read (show tables lists them)"
            )


def test_no_address_can_be_read(home: World) -> None:
    """And the names of functions are no tables by themselves."""
    assert "only the lake's tables" in refusal("select * from read_parquet('http://127.0.0.1:9/x.parquet')")
    assert "only the lake's tables" in refusal("select * from read_csv")
    assert "no table /etc/passwd" in refusal("select * from '/etc/passwd'")


@pytest.mark.parametrize(
    "sql",
    ["drop table events.odd", "create table x as select 1", "delete from events.odd", "truncate events.odd", "selec"],
)
def test_what_does_not_read_is_refused(odd: World, sql: str) -> None:
    """Otherwise it would do nothing, but look as if it had."""
    assert f"expected select …, show tables or describe <table>, got {sql.partition(' ')[0]}" in refusal(sql)


@pytest.mark.parametrize("sql", ["", "  ", ";", "/* nothing */", "\n-- nothing", "("])
def test_an_empty_statement_is_told(home: World, sql: str) -> None:
    """With what is expected."""
    assert refusal(sql).endswith("expected select …, show tables or describe <table>, got nothing")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select * from events.lesson_startd", "no table events.lesson_startd; did you mean events.lesson_started?"),
        ("describe lesson_started", "no table lesson_started; did you mean events.lesson_started?"),
        ('select * from "events/lesson_started"', "did you mean events.lesson_started?"),
        ("select 1 from raw_events join xyz on true", "no table xyz; show tables lists all of them"),
        ("select levl from events.lesson_started", "no column levl in events.lesson_started; did you mean level?"),
        (
            "select t.plans from events.account_created t",
            "no column plans in events.account_created; did you mean plan?",
        ),
        (
            "select device.versio from events.lesson_started",
            "no column versio in events.lesson_started; did you mean version?",
        ),
        ("select q.x from events.account_created", "no column q in events.account_created; there are event_uuid, "),
        ("with a as (select 1 as one) select two from a", "no column two; there are one"),
        ("select sum(plan) from events.account_created", "`sum` operation not supported for dtype `str`"),
        ("select 1; select 2", "one (and only one) statement"),
        ("select 1 from", "sql parser error"),
        ("describe", "sql parser error"),
        ("select '\udcff'", "the statement is not UTF-8"),
        (f"select {'(' * 50_000}1{')' * 50_000}", "recursion limit exceeded"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(home: World, sql: str, message: str) -> None:
    """With the names that come near; polars' own errors end with a plan."""
    line = refusal(sql)
    assert line.startswith("Error: the query failed: ")
    assert message in line


def test_tables_and_their_columns_are_listed(odd: World) -> None:
    """With the types and comments that their logs have; also those of types that have left the catalog."""
    tables = [row["table"] for row in rows_of(ask("--json", " SHOW  TABLES ; "))]
    assert {"raw_events", "quality_report", "events.lesson_started", "events.odd"} <= {*tables}
    columns = {row["column"]: row for row in rows_of(ask("--json", "describe table events.lesson_started;"))}
    assert columns["device"]["type"] == "struct<os: string, version: long>"
    assert columns["event_uuid"]["comment"] == "Unique identifier of the event"
    assert "│ raw_events" in ask("show tables")


def test_the_comments_of_a_table_that_left_the_catalog_are_those_of_its_log(home: World) -> None:
    """There is no other source of comments."""
    home.event_table("account_created").snapshot_to_write()
    (home.root / "catalog" / "account_created.yaml").unlink()
    columns = {row["column"]: row["comment"] for row in rows_of(ask("--json", "desc events.account_created"))}
    assert columns["_rescued"] == "JSON object of what found no place in a typed column, by field"

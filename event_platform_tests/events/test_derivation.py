"""Derived columns: valid definitions, and failures that affect only their own row."""

import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from event_platform.events.catalog import EventType, load_catalog
from event_platform.events.derivation.evaluation import Deriver
from event_platform.events.errors import CatalogError
from event_platform_tests.support.world import write_catalog

PROPERTIES: dict[str, Any] = {
    "price": {"type": "number"},
    "quantity": {"type": "integer"},
    "email": {"type": "string", "x-personal": True},
    "note": {"type": "string"},
    "tags": {"type": "array", "items": {"type": "string"}},
    "device": {"type": "object", "properties": {"os": {"type": "string"}}},
    "select": {"type": "string"},
    "anything": {},
}
SECRET = "of this machine"


def event_type(folder: Path, derive: Any, **files: str) -> EventType:
    """Return the event type of a catalog with these derived columns, and files beside its schema."""
    write_catalog(folder, {"a": {"title": "a", "properties": PROPERTIES, "x-derive": derive}})
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return load_catalog(folder).event_types[0]


def fault(folder: Path, derive: Any, **files: str) -> str:
    """Return the one fault of such a catalog, without the path of the schema."""
    with pytest.raises(CatalogError) as raised:
        event_type(folder, derive, **files)
    (line,) = str(raised.value).splitlines()
    return line.removeprefix(f"{folder / 'a.yaml'}: ")


def derive(found: EventType, *rows: dict[str, Any]) -> tuple[pl.DataFrame, list[tuple[Any, ...]]]:
    """Return the derived columns of rows, and what failed."""
    noon = datetime(2025, 6, 5, 12, tzinfo=UTC)
    names = {each.name for each in found.derived}
    schema = {name: dtype for name, dtype in found.schema.items() if name not in names}
    frame = pl.DataFrame([{"created_datetime": noon, "created_date": noon.date()} | row for row in rows], schema)
    deriver = Deriver(found.derived)
    return deriver.add(frame).select(sorted(names)), sorted(deriver.failures().rows())


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        pytest.param({"total": 7}, "x-derive.total: expected an SQL expression, or one of sql", id="no text"),
        pytest.param({"total": {"type": "string"}}, "x-derive.total: expected an SQL expression", id="no rule"),
        pytest.param({"total": {"sql": "price", "lookup": "a.csv"}}, "x-derive.total: expected an", id="two rules"),
        pytest.param({"total": {"sql": "price", "by": "a"}}, "x-derive.total.by: not expected", id="an unknown key"),
        pytest.param({"total": "prise"}, "x-derive.total.sql: no column 'prise'; did you mean price?", id="unknown"),
        pytest.param({"a": "b + 1", "b": "price"}, "x-derive.a.sql: no column 'b'; derived columns", id="later one"),
        pytest.param({"total": "_rescued"}, "x-derive.total.sql: no column '_rescued'", id="no column of its own"),
        pytest.param({"Price": "quantity"}, "x-derive.Price: the column name 'Price' is taken", id="a property"),
        pytest.param({"anything": "note"}, "x-derive.anything: the column name", id="a property without a column"),
        pytest.param({"Event_UUID": "note"}, "x-derive.Event_UUID: the column name", id="a column of every event"),
        pytest.param({"body": "note"}, "x-derive.body: the column name 'body' is taken", id="reserved"),
        pytest.param({"a": "note", "A": "note"}, "x-derive.A: the column name 'A' is taken", id="twice"),
        pytest.param({"a-b": "note"}, "x-derive.a-b: 'a-b' is not a column name", id="no name"),
        pytest.param(
            {"a": {"sql": "note", "type": "number"}}, "x-derive.a.sql: expected number, got string", id="type"
        ),
        pytest.param({"a": {"sql": "note", "type": "object"}}, "x-derive.a.type: expected a type", id="no type"),
        pytest.param({"a": "string_to_array(note, ',')"}, "x-derive.a: no column has List(String)", id="a list"),
        pytest.param({"a": "note * 2"}, "x-derive.a.sql: ", id="polars refuses it"),
        pytest.param({"a": {"function": "f"}}, "x-derive.a.function: expected module:function", id="no module"),
        pytest.param({"a": {"function": "../f:g", "type": "string"}}, "x-derive.a.function: expected", id="a path"),
        pytest.param(
            {"a": {"function": "f:h", "type": "string"}}, "x-derive.a.function: f.py does not", id="no function"
        ),
        pytest.param(
            {"a": {"function": "g:h", "type": "string"}}, "x-derive.a.function: g.py: cannot be", id="no file"
        ),
        pytest.param({"a": {"function": "bad:h", "type": "string"}}, "x-derive.a.function: ", id="no Python"),
        pytest.param({"a": {"function": "f:g"}}, "x-derive.a: say the type of the column", id="nobody knows its type"),
        pytest.param(
            {"a": {"function": "f:g", "columns": ["x"]}}, "x-derive.a.columns: no column 'x'", id="its column"
        ),
        pytest.param({"a": {"lookup": "t.csv", "by": "note"}}, "x-derive.a: expected names of columns", id="no value"),
        pytest.param(
            {"a": {"lookup": "../t.csv", "by": "note", "value": "v"}},
            "x-derive.a.lookup: expected the name",
            id="above",
        ),
        pytest.param(
            {"a": {"lookup": "/etc/t.csv", "by": "note", "value": "v"}},
            "x-derive.a.lookup: expected the",
            id="absolute",
        ),
        pytest.param(
            {"a": {"lookup": "t.txt", "by": "note", "value": "v"}}, "x-derive.a.lookup: expected a ", id="suffix"
        ),
        pytest.param(
            {"a": {"lookup": "t.csv", "by": "note", "value": "w"}}, "x-derive.a.lookup: t.csv has no column", id="no w"
        ),
        pytest.param(
            {"a": {"lookup": "t.csv", "by": "quantity", "key": "note", "value": "v"}},
            "x-derive.a.lookup: t.csv: column note: ",
            id="keys of another type",
        ),
        pytest.param(
            {"a": {"lookup": "twice.csv", "by": "note", "value": "v"}},
            "x-derive.a.lookup: twice.csv: note 'de' is repeated",
            id="keys that are not unique",
        ),
        pytest.param(
            {"a": {"lookup": "null.csv", "by": "note", "value": "v"}},
            "x-derive.a.lookup: null.csv: 1 rows",
            id="no key",
        ),
        pytest.param([], "x-derive: expected columns with their expressions", id="a list of columns"),
    ],
)
def test_a_definition_that_cannot_be_used_is_a_fault(tmp_path: Path, definition: Any, message: str) -> None:
    """It names the file and the key. The catalog does not load."""
    files = {
        "f__py": "def g(frame):\n    return frame['note']\n",
        "bad__py": "def h(:\n",
        "t__csv": "note,v\nde,1\n",
        "twice__csv": "note,v\nde,1\nde,2\n",
        "null__csv": "note,v\n,1\n",
    }
    assert fault(tmp_path, definition, **files).startswith(message)


def test_a_table_that_is_too_large_is_a_fault(tmp_path: Path) -> None:
    """It would be sent with every task; the error has an alternative."""
    table = "note,v\n" + "a" * (16 << 20)
    message = fault(tmp_path, {"a": {"lookup": "t.csv", "by": "note", "value": "v"}}, t__csv=table)
    assert message == "x-derive.a.lookup: t.csv: larger than 16,777,216 bytes; join it in an asset of your own"


def test_types_are_those_that_are_said_or_those_of_the_expression(tmp_path: Path) -> None:
    """Integers are 64 bits, and times are in UTC."""
    rules: dict[str, Any] = {
        "total": "price * quantity",
        "items": "quantity + 1",
        "week": {"sql": "date_trunc('week', created_date)", "type": "string", "format": "date-time"},
        "day": "cast(created_datetime as date)",
        "is_big": "total > 10",
        "small": "cast(quantity as smallint)",
        "words": {"sql": "string_to_array(note, ' ')", "type": "array", "items": {"type": "string"}},
        "system": {"sql": "upper(device.os)", "description": "Operating system."},
    }
    derived_type = event_type(tmp_path, rules)
    values, failed = derive(
        derived_type, {"price": 1.5, "quantity": 8, "note": "a b", "device": {"os": "linux"}}, {"quantity": 1}
    )
    assert values.to_dicts()[0] == {
        "day": datetime(2025, 6, 5).date(),  # noqa: DTZ001 - a date
        "is_big": True,
        "items": 9,
        "small": 8,
        "system": "LINUX",
        "total": 12.0,
        "week": datetime(2025, 6, 2, tzinfo=UTC),
        "words": ["a", "b"],
    }
    assert not failed
    assert values["small"].dtype == pl.Int64
    comments = {table_column.name: table_column.comment for table_column in derived_type.table_columns}
    assert comments["system"] == "Operating system. Derived: upper(device.os)"
    assert comments["total"] == "Derived: price * quantity"
    assert derived_type.schema.names()[-1] == "_rescued"


def test_a_reference_table_gives_its_value_or_null(tmp_path: Path) -> None:
    """One value for each row, in the order of the rows; a CSV is text unless a type is said."""
    rules = {
        "name": {"lookup": "c.csv", "by": "note", "key": "code", "value": "name"},
        "people": {"lookup": "c.csv", "by": "note", "key": "code", "value": "people", "type": "integer"},
    }
    derived_type = event_type(tmp_path, rules, c__csv="code,name,people\nde,Germany,83\nfr,France,068\n")
    values, failed = derive(derived_type, {"note": "fr"}, {"note": "xx"}, {}, {"note": "de"}, {"note": "fr"})
    assert values["name"].to_list() == ["France", None, None, "Germany", "France"]
    assert values["people"].to_list() == [68, None, None, 83, 68]
    assert not failed
    pl.DataFrame({"quantity": [1, 2], "value": [0.5, None]}).write_parquet(tmp_path / "p.parquet")
    derived_type = event_type(tmp_path, {"key": {"lookup": "p.parquet", "by": "quantity", "value": "value"}})
    assert derive(derived_type, {"quantity": 2}, {"quantity": 1})[0]["key"].to_list() == [None, 0.5]


def test_texts_of_a_reference_table_are_read_as_days_times_and_truth(tmp_path: Path) -> None:
    """Keys as the column of the event has them, values as the definition says."""
    rules = {
        "name": {"lookup": "d.csv", "by": "created_date", "key": "day", "value": "name"},
        "since": {"lookup": "n.csv", "by": "note", "value": "since", "type": "string", "format": "date-time"},
        "is_ours": {"lookup": "n.csv", "by": "note", "value": "ours", "type": "boolean"},
    }
    tables = {
        "d__csv": "day,name\n2025-06-05,Thursday\n2025-06-06,Friday\n",
        "n__csv": "note,since,ours\na,2025-06-02T02:00:00+02:00,true\nb,,false\n",
    }
    values, failed = derive(event_type(tmp_path, rules, **tables), {"note": "a"}, {"note": "b"}, {})
    assert values["name"].to_list() == ["Thursday"] * 3
    assert values["since"].to_list() == [datetime(2025, 6, 2, tzinfo=UTC), None, None]
    assert values["is_ours"].to_list() == [True, False, None]
    assert not failed
    message = fault(
        tmp_path, {"a": {"lookup": "x.csv", "by": "created_date", "value": "v"}}, x__csv="created_date,v\n1,2\n"
    )
    assert message.startswith("x-derive.a.lookup: x.csv: column created_date: ")


FUNCTIONS = """
import polars as pl
from dataclasses import dataclass

@dataclass
class Segment:
    name: str

def series(frame):
    return frame["note"].str.to_uppercase()

def expression(frame):
    return pl.col("note").str.len_chars() + frame.width

def one(frame):
    if "bad" in frame["note"].to_list():
        raise KeyError("bad")
    return frame["note"]

def short(frame):
    return frame["note"].head(1)

def number(frame):
    return frame["note"].str.len_chars()

def nothing(frame):
    return None

def leaves(frame):
    raise SystemExit(3)
"""


def test_a_function_gets_its_columns_and_returns_a_series_or_an_expression(tmp_path: Path) -> None:
    """Its source goes with the event type: no file is needed where it runs."""
    rules = {
        "a": {"function": "f:series", "type": "string"},
        "b": {"function": "f:expression", "columns": ["note", "price"], "type": "integer"},
    }
    derived_type = event_type(tmp_path, rules, f__py=FUNCTIONS)
    (tmp_path / "f.py").unlink()
    values, failed = derive(pickle.loads(pickle.dumps(derived_type)), {"note": "ab"}, {})  # noqa: S301 - made here
    assert values.rows() == [("AB", 4), (None, None)]
    assert not failed
    assert {each.name: each.uses_personal for each in derived_type.derived} == {"a": True, "b": False}


def test_what_fails_is_null_in_its_row_alone_and_counted(tmp_path: Path) -> None:
    """Whether an expression or a function fails, and whatever else is wrong with its result."""
    names = ("one", "short", "number", "nothing", "leaves")
    rules: dict[str, Any] = {name: {"function": f"f:{name}", "columns": ["note"], "type": "string"} for name in names}
    rules |= {"whole": "cast(note as bigint)", "far": "created_datetime + interval '9000 years'", "fine": "note"}
    derived_type = event_type(tmp_path, rules, f__py=FUNCTIONS)
    values, failed = derive(derived_type, {"note": "1"}, {"note": "bad"}, {"note": "3"})
    assert values["one"].to_list() == ["1", None, "3"]
    assert values["whole"].to_list() == [1, None, 3]
    assert values["fine"].to_list() == ["1", "bad", "3"]
    for name in ("short", "number", "nothing", "leaves", "far"):
        assert values[name].to_list() == [None] * 3
    counts = {column: (rows, error) for column, error, rows in failed}
    assert counts["one"] == (1, "KeyError: 'bad'")
    assert counts["whole"][0] == 1
    assert counts["whole"][1].startswith("InvalidOperationError: conversion from `str` to `i64` failed")
    assert counts["short"] == (3, "ResultError: expected 3 values, one for each row, got 1")
    assert counts["number"] == (3, "ResultError: expected string, got integer; cast it")
    assert counts["nothing"] == (3, "ResultError: expected a series or an expression, got NoneType")
    assert counts["leaves"] == (3, "SystemExit: 3")
    assert counts["far"] == (3, "ValueError: a time before the year 1 or after 9999")


def test_a_file_that_cannot_be_run_is_run_once_for_a_frame(tmp_path: Path) -> None:
    """No row is to blame."""
    code = f"open({str(tmp_path / 'runs')!r}, 'a').write('x')\nimport nothing_of_the_kind\n" + FUNCTIONS
    derived_type = event_type(
        tmp_path, {"a": {"function": "f:series", "columns": ["note"], "type": "string"}}, f__py=code
    )
    assert not (tmp_path / "runs").exists()
    _, failed = derive(derived_type, *[{"note": "a"}] * 100)
    assert failed == [("a", "ResultError: f.py: ModuleNotFoundError: No module named 'nothing_of_the_kind'", 100)]
    assert (tmp_path / "runs").read_text(encoding="utf-8") == "x"


def test_many_failing_rows_cost_no_more_than_some_tries(tmp_path: Path) -> None:
    """The rest of the frame then fails as a whole; every row is counted."""
    derived_type = event_type(tmp_path, {"a": "cast(note as bigint)"})
    values, failed = derive(derived_type, *({"note": "x" if number % 2 else "1"} for number in range(1_000)))
    assert sum(rows for *_, rows in failed) == values["a"].null_count()
    assert 500 < values["a"].null_count() < 1_000


def test_the_error_of_personal_values_has_no_value(tmp_path: Path) -> None:
    """Even if the derived column is not personal."""
    derived_type = event_type(tmp_path, {"a": {"sql": "cast(email as bigint)", "x-personal": False}, "b": "a + 1"})
    assert derive(derived_type, {"email": "mail-of-somebody"})[1] == [("a", "InvalidOperationError", 1)]
    assert [each.column.is_personal for each in derived_type.derived] == [False, False]
    derived_type = event_type(
        tmp_path, {"a": "lower(email)", "b": "a || 'x'", "c": {"sql": "note", "x-personal": True}}
    )
    assert [each.column.is_personal for each in derived_type.derived] == [True, True, True]


RULES: dict[str, Any] = {
    "total": "price * quantity",
    "week": "date_trunc('week', created_datetime)",
    "domain": "split_part(email, '@', 2)",
    "ratio": "price / quantity",
    "rest": "quantity % 3",
    "number": "try_cast(note as bigint)",
    "kind": "case when total > 1 then 'big' when note is null then 'none' else note end",
    "segment": {"function": "f:series", "type": "string"},
    "name": {"lookup": "c.csv", "by": "note", "value": "name"},
}
ROWS = st.fixed_dictionaries(
    {
        "price": st.none() | st.floats(-1e6, 1e6, width=32),
        "quantity": st.none() | st.integers(-9, 9),
        "email": st.none() | st.text(max_size=5) | st.just("a@b.c"),
        "note": st.none() | st.text(max_size=3) | st.sampled_from(["de", "1", ""]),
    }
)


@pytest.fixture(scope="module")
def all_rules(tmp_path_factory: pytest.TempPathFactory) -> EventType:
    """An event type with a column of each kind."""
    return event_type(tmp_path_factory.mktemp("rules"), RULES, f__py=FUNCTIONS, c__csv="note,name\nde,Germany\n1,One\n")


@given(st.lists(ROWS, min_size=2, max_size=8), st.data())
def test_rows_have_the_same_values_however_they_are_cut(
    all_rules: EventType, rows: list[Any], data: st.DataObject
) -> None:
    """A day may be read at once, or file by file."""
    whole, failed = derive(all_rules, *rows)
    cut = data.draw(st.integers(1, len(rows) - 1))
    assert_frame_equal(pl.concat([derive(all_rules, *rows[:cut])[0], derive(all_rules, *rows[cut:])[0]]), whole)
    assert not failed


def test_a_digest_changes_with_what_the_values_depend_on(tmp_path: Path) -> None:
    """And with nothing else, such as descriptions or other columns."""

    def digests(rules: Any, **files: str) -> dict[str, str]:
        beside = {"f__py": FUNCTIONS, "c__csv": "note,name\nde,Germany\n"} | files
        return {each.name: each.digest for each in event_type(tmp_path, rules, **beside).derived}

    rules: dict[str, Any] = {
        "a": {"sql": "price * 2", "type": "number"},
        "b": "a + 1",
        "c": {"function": "f:series", "columns": ["note"], "type": "string"},
        "d": {"lookup": "c.csv", "by": "note", "value": "name"},
    }
    before = digests(rules)
    a = {"sql": "price * 2", "type": "number", "description": "Twice", "x-personal": True}
    assert digests(rules | {"a": a, "e": "note"}) == before | {"e": digests({"e": "note"})["e"]}

    def changed(after: dict[str, str]) -> set[str]:
        return {name for name, digest in before.items() if after[name] != digest}

    assert changed(digests(rules | {"a": {"sql": "price * 3", "type": "number"}})) == {"a", "b"}
    assert changed(digests(rules, f__py=FUNCTIONS + "\n# other\n")) == {"c"}
    assert changed(digests(rules | {"c": {**rules["c"], "columns": ["note", "price"]}})) == {"c"}
    assert changed(digests(rules, c__csv="note,name\nde,Deutschland\n")) == {"d"}

"""Numbers are exact: a column has the value that was written, or `_rescued` has its text."""

import json
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_platform.events.catalog import EventType
from event_platform.events.column_definitions import parse_columns
from event_platform.events.envelope import Envelope
from event_platform.events.payload import PayloadReader
from event_platform.events.rescue import Rescuer
from event_platform_tests.events.payloads import read


def test_a_number_that_no_double_holds_is_kept_as_it_was_written() -> None:
    """Digit by digit."""
    (row,) = read('"score": 1e400')
    assert row == {"_rescued": '{"score":1e400}'}


NUMBERS_TO_KEEP = [
    "12345678901234567.89",
    "19.99999999999999999",
    "0.1234567890123456789",
    "-0.00012345678901234567890",
    "123456789.1234567891",
    "123456789012345678e-5",
    "9007199254740993.5",
    "9007199254740992.5",
    "9007199254740993.0",
    "9.007199254740993e15",
    "1e-400",
    "-1e-400",
    "3e-324",
    "1.2345678901e-320",
    f"0.{'0' * 330}1",
    "1e309",
    "-1E+400",
]


@pytest.mark.parametrize("number", NUMBERS_TO_KEEP)
@pytest.mark.parametrize(
    ("column", "around", "beside"),
    [
        ("score", "{}", None),
        ("deep", '{{"at": {{"lat": {}, "n": 1}}}}', {"lat": None, "n": 1}),
        ("list", "[0.5, {}]", 0),
    ],
)
def test_a_number_that_a_double_would_change_is_rescued_as_it_was_written(
    number: str, column: str, around: str, beside: Any
) -> None:
    """However deep, wherever it is in the text, and beside rows that have a number in the same place."""
    number_type = {"type": "number"}
    place = {"type": "object", "properties": {"lat": number_type, "n": {"type": "integer"}}}
    properties = {
        "score": number_type,
        "list": {"type": "array", "items": number_type},
        "deep": {"type": "object", "properties": {"at": place}},
    }
    reader = PayloadReader(EventType("a", "a", parse_columns({"properties": properties}, "", [])), Envelope())
    for padding in range(6):
        texts = [around.format(each) for each in ("0.1", number, "1e308")]
        bodies = [f'{{"pad":null{" " * padding},"{column}":{text}}}' for text in texts]
        before, row, behind = reader.read(pl.Series(bodies)).to_dicts()
        assert before["_rescued"] is behind["_rescued"] is None
        assert number in row["_rescued"]
        if column == "deep":
            assert row["deep"] == {"at": beside}
            assert row["_rescued"] == f'{{"deep":{{"at":{{"lat":{number}}}}}}}'
        else:
            assert row[column] is None
            assert row["_rescued"] == f'{{"{column}":{texts[1]}}}'


@given(number=st.floats(allow_nan=False, allow_infinity=False), width=st.sampled_from(["", ".17g", ".16e", "r"]))
def test_every_double_is_held_however_a_program_writes_it(number: float, width: str) -> None:
    """As short as can be, or with the 17 digits that tell it from all others."""
    text = repr(number) if width in {"", "r"} else format(number, width)
    (row,) = read(f'"score": {text}')
    if float(text).is_integer() and text.lstrip("-").isdigit() and abs(number) > 2**53:
        assert "_rescued" in row
    else:
        assert row == {"score": number}


@pytest.mark.parametrize(
    "payload",
    ['"text": "123456789.1234567891"', '"count": 1234567890123456789', '"text": "1234567890123456789"'],
)
def test_digits_of_texts_and_integers_send_no_row_the_longer_way(payload: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Identifiers of 19 digits are frequent."""
    monkeypatch.setattr(Rescuer, "split", lambda *_: pytest.fail("looked at by itself"))
    (row,) = read(payload)
    assert row == json.loads(f"{{{payload}}}")


DECIMALS: list[tuple[str, str | None]] = [
    ("1.5", "1.50"),
    ("-0.01", "-0.01"),
    ("1.500", "1.50"),
    ("1e3", "1000.00"),
    ("150e-2", "1.50"),
    ("0e-99", "0.00"),
    ("123456789012345678901234567890123456.78", "123456789012345678901234567890123456.78"),
    ("-999999999999999999999999999999999999.99", "-999999999999999999999999999999999999.99"),
    (f"1.5{'0' * 60}", "1.50"),
    ("1.239", None),
    ("1e-400", None),
    ("1e36", None),
    ("1e400", None),
    ("1234567890123456789012345678901234567", None),
    ('"1.5"', None),
    ("true", None),
]


@pytest.mark.parametrize(("written", "decimal"), DECIMALS)
def test_a_decimal_is_exact_or_rescued(written: str, decimal: str | None) -> None:
    """In a field, an object and an array; a text is none."""
    kind = {"type": ["number", "null"], "x-decimal": [38, 2]}
    properties = {
        "d": kind,
        "o": {"type": "object", "properties": {"d": kind}},
        "l": {"type": "array", "items": kind},
    }
    reader = PayloadReader(EventType("a", "a", parse_columns({"properties": properties}, "", [])), Envelope())
    bodies = [
        f'{{"d": {number_text}, "o": {{"d": {number_text}}}, "l": [{number_text}, null]}}'
        for number_text in ("0.25", written, "7")
    ]
    rows = reader.read(pl.Series(bodies))
    assert rows.schema["d"] == pl.Decimal(38, 2)
    quarter, value, seven = Decimal("0.25"), None if decimal is None else Decimal(decimal), Decimal(7)
    assert rows["d"].to_list() == [quarter, value, seven]
    assert rows["o"].to_list() == [{"d": quarter}, {"d": value}, {"d": seven}]
    assert rows["l"].to_list() == [[quarter, None], None if value is None else [value, None], [seven, None]]
    rescued = None if decimal else f'{{"d":{written},"o":{{"d":{written}}},"l":[{written}, null]}}'
    assert rows["_rescued"].to_list() == [None, rescued, None]


@pytest.mark.parametrize(
    ("written", "decimal"), [("999.99", "999.99"), ("1e3", None), ("1000", None), ("99999e-2", "999.99")]
)
def test_a_decimal_has_no_more_digits_than_its_column(written: str, decimal: str | None) -> None:
    """Five, of which two are behind the point."""
    columns = parse_columns({"properties": {"d": {"type": "number", "x-decimal": [5, 2]}}}, "", [])
    rows = PayloadReader(EventType("a", "a", columns), Envelope()).read(pl.Series([f'{{"d": {written}}}']))
    assert rows["d"].to_list() == [None if decimal is None else Decimal(decimal)]
    assert rows["_rescued"].to_list() == [None if decimal else f'{{"d":{written}}}']

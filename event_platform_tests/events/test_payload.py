"""Bodies of one event type become typed columns; what does not fit is kept in `_rescued`, and nothing is cast."""

import json
from datetime import date
from typing import Any

import polars as pl
import pytest

from event_platform.events.catalog import EventType
from event_platform.events.column_definitions import parse_columns
from event_platform.events.columns import Column
from event_platform.events.envelope import Envelope
from event_platform.events.payload import PayloadReader
from event_platform.events.rescue import Rescuer
from event_platform.events.wire import is_wide
from event_platform_tests.events.payloads import COLUMNS, HEAD, NOON, read
from event_platform_tests.support.counting import count_calls
from event_platform_tests.support.fidelity import lost


@pytest.mark.parametrize(
    ("payload", "row"),
    [
        pytest.param("", {}, id="nothing"),
        pytest.param('"text": "añ\\u00f1 \\" 猫"', {"text": 'aññ " 猫'}, id="text"),
        pytest.param('"text": ""', {"text": ""}, id="empty text"),
        pytest.param('"text": "\\u0000"', {"text": "\0"}, id="text that holds a NUL"),
        pytest.param('"text": "a \\":1 b"', {"text": 'a ":1 b'}, id="text that looks like a key"),
        pytest.param('"count": 7', {"count": 7}, id="integer"),
        pytest.param('"count": -9223372036854775808', {"count": -(2**63)}, id="smallest integer"),
        pytest.param('"count": 9007199254740993', {"count": 2**53 + 1}, id="integer beyond 2^53"),
        pytest.param('"score": 7', {"score": 7.0}, id="integer as number"),
        pytest.param('"score": 1.5e3', {"score": 1500.0}, id="number"),
        pytest.param('"right": false', {"right": False}, id="boolean"),
        pytest.param('"at": "2025-06-02T12:00:00Z"', {"at": NOON}, id="timestamp"),
        pytest.param('"at": "2025-06-02T14:30:00.5+02:30"', {"at": NOON.replace(microsecond=500_000)}, id="offset"),
        pytest.param('"on": "2024-02-29"', {"on": date(2024, 2, 29)}, id="date"),
        pytest.param('"@tag": "x"', {"tag": "x"}, id="key that is no column name"),
        pytest.param('"device": {"os": "ios"}', {"device": {"os": "ios", "screen": None}}, id="object"),
        pytest.param('"device": {}', {"device": {"os": None, "screen": None}}, id="empty object"),
        pytest.param('"device": {"screen": {"width": 9}}', {"device": {"os": None, "screen": {"width": 9}}}, id="deep"),
        pytest.param('"numbers": []', {"numbers": []}, id="empty array"),
        pytest.param('"count": 4.979255573459218e+16', {"count": 49_792_555_734_592_180}, id="digits, not a double"),
        pytest.param('"numbers": [1, null, 3]', {"numbers": [1, None, 3]}, id="array with a null"),
        pytest.param(
            '"answers": [{"id": 1, "words": ["a", "b"]}, null, {}]',
            {"answers": [{"id": 1, "words": ["a", "b"]}, None, {"id": None, "words": None}]},
            id="array of objects",
        ),
        pytest.param('"text": null, "device": null, "numbers": null, "new": null', {}, id="nulls are no values"),
        pytest.param('"any": null, "none": null, "hollow": null, "list": null', {}, id="nor are those without a type"),
        pytest.param('"any": {}, "none": [], "hollow": {}, "list": []', {}, id="empty values without a type"),
        pytest.param('"any": [], "none": {}, "hollow": [], "list": {}', {}, id="of another kind than was expected"),
        pytest.param('"new": {}, "newer": [ ], "newest": { }', {}, id="empty values of unknown fields"),
        pytest.param('"hollow": {"a": [], "b": null}, "new": {"a": {"b": null}}', {}, id="objects that hold nothing"),
        pytest.param(
            '"device": {"os": "ios", "new": null, "newer": {}, "newest": []}',
            {"device": {"os": "ios", "screen": None}},
            id="empty values in an object",
        ),
        pytest.param(
            '"answers": [{"id": 1, "hint": null, "more": {}, "most": []}, {"id": 2}]',
            {"answers": [{"id": 1, "words": None}, {"id": 2, "words": None}]},
            id="empty values of unknown fields in an array",
        ),
        pytest.param('"count": 7.0', {"count": 7}, id="integer with a point"),
        pytest.param('"count": -7.50e1', {"count": -75}, id="integer with an exponent"),
        pytest.param('"numbers": [1.0, 1e3]', {"numbers": [1, 1000]}, id="such integers in an array"),
        pytest.param('"count": 9007199254740993.0', {"count": 2**53 + 1}, id="integer with a point beyond 2^53"),
        pytest.param('"score": 0.1', {"score": 0.1}, id="one digit"),
        pytest.param('"score": 0.10000000000000001', {"score": 0.1}, id="17 digits"),
        pytest.param('"score": 0.50000000000000000000', {"score": 0.5}, id="zeros at the end are no digits"),
        pytest.param('"score": 100000000000.0000000000', {"score": 1e11}, id="nor are zeros around the point"),
        pytest.param('"score": 1e308', {"score": 1e308}, id="large number"),
        pytest.param('"score": 1.7976931348623157e308', {"score": 1.7976931348623157e308}, id="largest number"),
        pytest.param('"score": 5e-324', {"score": 5e-324}, id="smallest number"),
        pytest.param('"score": 0e-999', {"score": 0.0}, id="zero, however small"),
        pytest.param('"score": 0e999', {"score": 0.0}, id="zero, however large"),
    ],
)
def test_what_fits_is_in_its_column(payload: str, row: dict[str, Any]) -> None:
    """With its type, and nothing in `_rescued`."""
    assert read(payload) == [row]


@pytest.mark.parametrize(
    ("payload", "row", "rescued"),
    [
        pytest.param('"count": "7"', {}, {"count": "7"}, id="text in an integer column"),
        pytest.param('"count": 7.5', {}, {"count": 7.5}, id="fraction in an integer column"),
        pytest.param('"count": true', {}, {"count": True}, id="boolean in an integer column"),
        pytest.param('"count": 9223372036854775808', {}, {"count": 2**63}, id="beyond 64 bits"),
        pytest.param('"score": 9007199254740993', {}, {"score": 2**53 + 1}, id="integer that a float would change"),
        pytest.param('"text": 7', {}, {"text": 7}, id="number in a text column"),
        pytest.param('"any": [null]', {}, {"any": [None]}, id="null in an array is a value"),
        pytest.param('"list": [null]', {}, {"list": [None]}, id="also where an array is expected"),
        pytest.param('"list": [{}]', {}, {"list": [{}]}, id="as is an empty object"),
        pytest.param('"hollow": {"a": [[]]}', {}, {"hollow": {"a": [[]]}}, id="and an empty array"),
        pytest.param('"hollow": {"a": 1}', {}, {"hollow": {"a": 1}}, id="value where none is expected"),
        pytest.param('"none": 0', {}, {"none": 0}, id="zero is a value"),
        pytest.param('"none": ""', {}, {"none": ""}, id="as is an empty text"),
        pytest.param('"none": false', {}, {"none": False}, id="and false"),
        pytest.param('"text": []', {}, {"text": []}, id="empty array in a text column"),
        pytest.param('"device": []', {}, {"device": []}, id="empty array in an object column"),
        pytest.param('"right": 1', {}, {"right": 1}, id="number in a boolean column"),
        pytest.param('"at": "2025-06-02T12:00:00"', {}, {"at": "2025-06-02T12:00:00"}, id="timestamp without offset"),
        pytest.param(
            '"at": "2025-06-02T12:00:00.123456789Z"', {}, {"at": "2025-06-02T12:00:00.123456789Z"}, id="nanoseconds"
        ),
        pytest.param('"at": "2025-13-02T12:00:00Z"', {}, {"at": "2025-13-02T12:00:00Z"}, id="month 13"),
        pytest.param('"at": 1748865600', {}, {"at": 1748865600}, id="timestamp as a number"),
        pytest.param('"on": "2025-02-29"', {}, {"on": "2025-02-29"}, id="no such day"),
        pytest.param('"on": "2025-6-2"', {}, {"on": "2025-6-2"}, id="date of another form"),
        pytest.param('"on": "2025- 6- 2"', {}, {"on": "2025- 6- 2"}, id="date with blanks"),
        pytest.param('"on": "+20250-1-1"', {}, {"on": "+20250-1-1"}, id="year of five digits"),
        pytest.param('"on": "0000-01-01"', {}, {"on": "0000-01-01"}, id="year 0"),
        pytest.param('"at": "0001-01-01T00:00:00+01:00"', {}, {"at": "0001-01-01T00:00:00+01:00"}, id="before it all"),
        pytest.param('"at": "9999-12-31T23:30:00-01:00"', {}, {"at": "9999-12-31T23:30:00-01:00"}, id="after it all"),
        pytest.param('"at": "2016-12-31T23:59:60Z"', {}, {"at": "2016-12-31T23:59:60Z"}, id="leap second"),
        pytest.param('"any": {"a": [1]}', {}, {"any": {"a": [1]}}, id="known without a type"),
        pytest.param('"new": 1, "text": "t"', {"text": "t"}, {"new": 1}, id="unknown field"),
        pytest.param('"Text": "t"', {}, {"Text": "t"}, id="key that differs in case"),
        pytest.param('"id.orig_h": "x"', {}, {"id.orig_h": "x"}, id="key with a dot"),
        pytest.param('"a\\u0000b": 1', {}, {"a\0b": 1}, id="key with a NUL"),
        pytest.param('"a\\"b": 1', {}, {'a"b': 1}, id="key with a quote"),
        pytest.param('"device": "ios"', {}, {"device": "ios"}, id="text in an object column"),
        pytest.param(
            '"device": {"os": 7, "screen": {"width": 9, "dpi": 2}}',
            {"device": {"os": None, "screen": {"width": 9}}},
            {"device": {"os": 7, "screen": {"dpi": 2}}},
            id="the rest of an object stays",
        ),
        pytest.param('"numbers": [1, "2"]', {}, {"numbers": [1, "2"]}, id="an array is kept whole or rescued whole"),
        pytest.param('"answers": [{"id": 1, "new": 2}]', {}, {"answers": [{"id": 1, "new": 2}]}, id="unknown in array"),
        pytest.param('"numbers": [[1]]', {}, {"numbers": [[1]]}, id="array in array"),
    ],
)
def test_what_does_not_fit_is_rescued_by_field(payload: str, row: dict[str, Any], rescued: dict[str, Any]) -> None:
    """Its column is null, and other values in the row and the frame are not affected."""
    before, between, behind = read('"text": "before", "count": 1', payload, '"text": "behind", "numbers": [2]')
    assert json.loads(between.pop("_rescued")) == rescued
    assert between == row
    assert (before, behind) == ({"text": "before", "count": 1}, {"text": "behind", "numbers": [2]})


def test_a_field_that_is_always_empty_sends_no_row_the_longer_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the schema knows it: at every depth."""
    empty = {"type": "object", "properties": {"n": {"type": "null"}, "a": {"type": "array"}, "o": {"type": "object"}}}
    item = {"type": "object", "properties": {"x": {"type": "integer", "x-column": "y"}, "e": empty}}
    properties = {"e": empty, "list": {"type": "array", "items": item}, "o": item, "any": {}}
    reader = PayloadReader(EventType("a", "a", parse_columns({"properties": properties}, "", [])), Envelope())
    monkeypatch.setattr(Rescuer, "split", lambda *_: pytest.fail("looked at by itself"))
    nothing = '{"n": null, "a": [], "o": {}}'
    bodies = [
        f'{{"e": {nothing}, "list": [{{"x": 1, "e": {nothing}}}, null], "o": {{"e": {nothing}, "x": 2}}, "any": null}}',
        '{"list": [], "o": null}',
        '{"list": null, "o": {}}',
    ]
    assert reader.read(pl.Series(bodies)).rows() == [
        ([{"y": 1}, None], {"y": 2}, None),
        ([], None, None),
        (None, {"y": None}, None),
    ]


@pytest.mark.parametrize(
    ("payload", "row", "rescued"),
    [
        (r'"text": "caf\ud83d"', {}, r'{"text":"caf\ud83d"}'),
        (r'"text": "\uDE00!"', {}, r'{"text":"\uDE00!"}'),
        (r'"text": "half- \ud83d\ud83d\ude00"', {}, r'{"text":"half- \ud83d\ud83d\ude00"}'),
        (r'"new": "caf\ud83d"', {}, r'{"new":"caf\ud83d"}'),
        (r'"k\ud83d": 1', {}, r'{"k\ud83d":1}'),
        (r'"any": {"k\ud83d": [1, "\udc00"]}', {}, r'{"any":{"k\ud83d": [1, "\udc00"]}}'),
        (r'"at": "\ud83d"', {}, r'{"at":"\ud83d"}'),
        (
            r'"device": {"os": "\ud83d", "screen": {"width": 9}}',
            {"device": {"os": None, "screen": {"width": 9}}},
            r'{"device":{"os":"\ud83d"}}',
        ),
        (r'"answers": [{"id": 1, "words": ["a", "\ud83d"]}]', {}, r'{"answers":[{"id": 1, "words": ["a", "\ud83d"]}]}'),
        (r'"answers": [{"id": 1, "\ud83d": 2}]', {}, r'{"answers":[{"id": 1, "\ud83d": 2}]}'),
        (r'"numbers": ["\ud83d"]', {}, r'{"numbers":["\ud83d"]}'),
    ],
)
def test_half_of_an_emoji_is_rescued_as_it_was_written(payload: str, row: dict[str, Any], rescued: str) -> None:
    """Everything else is in its column, in this row and the others."""
    before, between, behind = read('"text": "before"', f'"count": 1, {payload}, "right": true', r'"text": "\\ud83d"')
    assert between.pop("_rescued") == rescued
    assert between == {"count": 1, "right": True, **row}
    assert (before, behind) == ({"text": "before"}, {"text": "\\ud83d"})


def test_half_of_an_emoji_in_a_record_with_a_key_twice_is_in_the_whole_record() -> None:
    """And in what is rescued from it."""
    payload = r'"text": "\ud83d", "count": 1, "count": 2'
    (row,) = read(payload)
    kept = json.loads(row.pop("_rescued"))
    assert row == {"count": 2}
    assert kept == {"text": "\ud83d", "$record": f"{{{HEAD}, {payload}}}"}


def test_a_row_that_does_not_fit_beside_the_others_sends_few_the_longer_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that fit by themselves, such as one with a key twice, are looked for in halves."""
    looked_at: list[str] = []
    split = Rescuer.split

    def noted(rescuer: Rescuer, body: str) -> tuple[str, str | None]:
        looked_at.append(body)
        return split(rescuer, body)

    monkeypatch.setattr(Rescuer, "split", noted)
    payloads = [f'"count": {number}' for number in range(4_096)]
    payloads[1_000] += ', "count": 7'
    assert [row["count"] for row in read(*payloads)] == [*range(1_000), 7, *range(1_001, 4_096)]
    assert len(looked_at) <= 64


def test_a_wide_type_is_read_for_a_price_that_is_linear_in_its_fields() -> None:
    """No decoder that looks for each key among all fields is asked; keys come in any order, some do not fit."""

    def columns(fields: int, *, nested: bool) -> tuple[Column, ...]:
        properties: dict[str, Any] = {f"f{number}": {"type": "integer"} for number in range(fields)}
        if nested:
            properties = {"o": {"type": "object", "properties": properties}}
        return parse_columns({"properties": properties}, "", [])

    def calls(fields: int, *, nested: bool) -> int:
        reader = PayloadReader(EventType("a", "a", columns(fields, nested=nested)), Envelope())
        record: dict[str, Any] = {f"f{number}": number for number in reversed(range(fields))} | {"f0": "x", "f1": [1]}
        body = json.dumps({"o": record} if nested else record)
        found: list[dict[str, Any]] = []
        called = count_calls(lambda: found.extend(reader.read(pl.Series([body] * 3)).to_dicts()))
        assert found[1]["_rescued"] == ('{"o":{"f1":[1],"f0":"x"}}' if nested else '{"f1":[1],"f0":"x"}')
        return called

    for nested in (True, False):
        assert is_wide(columns(1_000, nested=nested))
        assert calls(2_000, nested=nested) < 2.2 * calls(1_000, nested=nested)


@pytest.mark.parametrize("twice", ['"count": 1, "count": 2', '"device": {"os": "a", "os": "b"}', '"new": 1, "new": 2'])
def test_a_record_with_a_key_written_twice_is_rescued_whole(twice: str) -> None:
    """A JSON object cannot hold both, so that its text is kept."""
    (row,) = read(twice)
    assert json.loads(row["_rescued"])["$record"] == f"{{{HEAD}, {twice}}}"


@pytest.mark.parametrize("payload", ['"new" : 1', '"text" : "t", "new": 1', '"new"\t: 1', '"device": {"new" : 1}'])
def test_blanks_between_key_and_colon_hide_nothing(payload: str) -> None:
    """JSON allows them, in one place of a record as in another."""
    (row,) = read(payload)
    assert lost(json.loads(f"{{{payload}}}"), {"text": None, "device": None, **row}, COLUMNS) == []


@pytest.mark.parametrize("opens", ["[", '{"a": '])
def test_a_field_nested_a_hundred_thousand_deep_is_kept(opens: str) -> None:
    """As text, in its record; the other rows are not affected."""
    payload = f'"text": "t", "new": {opens * 100_000}1{(chr(ord(opens[0]) + 2)) * 100_000}'
    before, deep, behind = read('"count": 1', payload, '"count": 3')
    assert (before, behind) == ({"count": 1}, {"count": 3})
    assert json.loads(deep["_rescued"]) == {"$record": f"{{{HEAD}, {payload}}}"}


def test_a_type_without_a_payload_has_rows_all_the_same() -> None:
    """Whatever comes beside the envelope is rescued."""
    reader = PayloadReader(EventType("ping", "ping", ()), Envelope())
    rows = reader.read(pl.Series([f"{{{HEAD}}}", f'{{{HEAD}, "new": 1}}']))
    assert rows.rows() == [(None,), ('{"new":1}',)]


@pytest.mark.parametrize("name", ["__init__", "__dict__", "__hash__", "__class__", "class", "None", "f1", "mro"])
def test_any_column_name_will_do(name: str) -> None:
    """Also one that means something in Python; at the top and below."""
    inside = {"type": "object", "properties": {name: {"type": "integer"}, "x": {"type": "integer"}}}
    columns = parse_columns({"properties": {"x": {"type": "integer"}, name: {"type": "integer"}, "o": inside}}, "", [])
    reader = PayloadReader(EventType("a", "a", columns), Envelope())
    rows = reader.read(pl.Series([f'{{{HEAD}, "{name}": 7, "o": {{"{name}": 8}}}}']))
    assert rows.rows() == [(None, 7, {name: 8, "x": None}, None)]


def test_many_rows_are_read_as_each_by_itself() -> None:
    """Across the slices that rows are decoded in, with damage at their edges."""
    payloads = [f'"count": {number}, "numbers": [{number}]' for number in range(2_500)]
    expected: list[dict[str, Any]] = [{"count": number, "numbers": [number]} for number in range(2_500)]
    for odd in (0, 999, 1_000, 2_499):
        payloads[odd], expected[odd] = f'"count": "{odd}"', {"_rescued": f'{{"count":"{odd}"}}'}
    assert read(*payloads) == expected


def test_a_block_has_fewer_rows_where_they_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrow takes no text of 2 GiB."""
    blocks: list[pl.Series] = []
    parse = PayloadReader._parse_block

    def noted(reader: PayloadReader, bodies: pl.Series) -> Any:
        blocks.append(bodies)
        return parse(reader, bodies)

    monkeypatch.setattr("event_platform.events.payload._BYTES_AT_ONCE", 10_000)
    monkeypatch.setattr(PayloadReader, "_parse_block", noted)
    texts = ["x" * (20_000 if number % 20 == 7 else number) for number in range(200)]
    assert [row["text"] for row in read(*(f'"text": "{text}"' for text in texts))] == texts
    assert all(len(block) == 1 or block.str.len_bytes().sum() <= 10_000 for block in blocks)
    assert len(blocks) < 100

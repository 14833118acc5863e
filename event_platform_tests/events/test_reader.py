"""The bytes of an object become records, one row each, in order, whatever stands between them."""

import json
import re
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_platform.events import damage as damage_finder
from event_platform.events import records as records_module
from event_platform.events.corruption import WRONG_TYPE
from event_platform.events.envelope import Envelope, TimeUnit
from event_platform.events.reader import EnvelopeReader
from event_platform_tests.support.world import event

READER = EnvelopeReader(Envelope())
A, B, C = (json.dumps(event(uuid, plan="añ 猫")) for uuid in "abc")
SURROGATE = A[:-1] + r', "more": "\ud83d"}'
PRETTY = json.dumps(event("p"), indent=1)


def uuids(data: str | bytes) -> list[str | None]:
    """Return the uuids of an object's records."""
    return READER.read(data if isinstance(data, bytes) else data.encode())["event_uuid"].to_list()


def faults(data: bytes) -> list[str | None]:
    """Return the faults of form of an object's records."""
    return READER.read(data)["fault"].to_list()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(f"{A}\n{B}\n{C}\n", id="newlines"),
        pytest.param(f"{A}\n{B}\n{C}", id="no newline at the end"),
        pytest.param(f"{A}\r\n{B}\r\n{C}\r\n", id="CRLF"),
        pytest.param(f"{A}{B}{C}", id="nothing between them"),
        pytest.param(f"{A}{B}\n{C}", id="now and then a newline"),
        pytest.param(f"{A} {B}\t{C}", id="blanks"),
        pytest.param(f"\n\n{A}\n\n \n{B}\n{C}\n\n", id="empty lines"),
        pytest.param(f"\ufeff{A}\n{B}\n{C}\n", id="a byte order mark"),
        pytest.param(f"  {A}  \n\t{B}\n {C} ", id="blanks around"),
    ],
)
def test_records_are_found_whatever_stands_between_them(data: str) -> None:
    """And their bodies are what was written."""
    frame = READER.read(data.encode())
    assert frame["body"].to_list() == [A, B, C]
    assert frame["event_uuid"].to_list() == ["a", "b", "c"]
    assert frame["fault"].null_count() == 3


def test_nothing_is_no_record() -> None:
    """Nor are blanks."""
    assert uuids("") == uuids("\n \r\n") == []


def test_a_brace_pair_inside_a_text_separates_nothing() -> None:
    """Neither in a stream without delimiters, nor beside one that has them."""
    tricky = json.dumps(event("t", plan='}{"event_uuid": "no"}{'))
    for data in (f"{tricky}{A}", f"{tricky}\n{A}", f"{A}{tricky}{{"):
        assert set(uuids(data)) - {None} == {"t", "a"}


def test_a_record_over_several_lines_is_one() -> None:
    """With any neighbours, and verbatim."""
    pretty = json.dumps(event("p", items=[{"sku": "}{"}, {}], note=None), indent=1)
    for text in (pretty, pretty.replace("\n", "\r\n"), pretty.replace(" ", "")):
        for data in (f"{A}\n{text}\n{B}\n", f"{A}{text}{B}", f"{text}\n{text}", f"{{broken\n{text}\n}}"):
            frame = READER.read(data.encode())
            assert frame["body"].to_list().count(text) == data.count(text)
            assert frame["fault"].null_count() == data.count("event_uuid")
            assert frame.height == data.count("event_uuid") + 2 * data.startswith("{broken")


def test_an_object_of_which_some_lines_are_objects_is_one() -> None:
    """Even if it is damaged; an event on a line is an event, whatever surrounds it."""
    lines = ["{", '"event_uuid": "a",', '"items": [', '{"sku": 1},', '{"sku": 2}', "]", "}"]
    assert READER.read("\n".join(lines).encode()).select("body", "event_uuid").rows() == [("\n".join(lines), "a")]
    damaged = "\n".join([*lines[:2], '"n": bad,', *lines[2:]])
    assert READER.read(f"{damaged}\n{B}".encode()).select("body", "fault").rows() == [(damaged, "not_json"), (B, None)]
    assert uuids(f'{{"Records": [\n{A},\n{B}\n]}}\n{C}') == [None, "a", "b", None, "c"]


def test_an_array_is_one_record_on_one_line_and_its_objects_are_records_over_several() -> None:
    """A bracket or comma by itself is a separator; of an array that is damaged, what is sound is read."""
    array = f"[{A}, {B}]"
    assert READER.read(f"{array}\n{C}".encode()).select("body", "fault").rows() == [(array, "not_an_object"), (C, None)]
    pretty = json.dumps([json.loads(A), json.loads(B)], indent=2)
    for data in (f"[\n{A},\n{B}\n]\n", f"[{A},\n{B}]", f"[\n  {A}\n  ,{B}\n]", pretty):
        assert READER.read(data.encode()).select("event_uuid", "fault").rows() == [("a", None), ("b", None)]
    for data, expected in (
        (f"[{A},{B[:-9]}", [A, B[:-9]]),
        (f"[{A},{{broken}},{C}]", [A, "{broken}", C]),
    ):
        assert READER.read(data.encode())["body"].to_list() == expected


@pytest.mark.parametrize(
    ("data", "bodies"),
    [
        pytest.param(f'{{"bad": }} {A} {B}', ['{"bad": }', A, B], id="blanks behind it"),
        pytest.param(f"{A},{B}", [A, B], id="a comma between"),
        pytest.param(f'{A},{{"bad": }},{B}', [A, '{"bad": }', B], id="commas around it"),
        pytest.param(f"{A}{{trunc{B}{C}", [A, "{trunc", B, C], id="an object without an end"),
        pytest.param(f'{A}{{"event_uuid":"1","pl{B}{C}', [A, '{"event_uuid":"1","pl', B, C], id="a text without one"),
        pytest.param(f'{A}{{"x":{B}{C}', [A, '{"x":', B, C], id="cut behind a colon"),
        pytest.param(f'{{"x": [\n{SURROGATE},\n{B}', ['{"x": [', SURROGATE, B], id="cut before half a surrogate pair"),
        pytest.param(f'{{"x":\n{PRETTY}\n{B[1:]}', ['{"x":', PRETTY, B[1:]], id="cut before several lines"),
        pytest.param(f'{A}{{"x":1,{B}{C}', [A, '{"x":1,', B, C], id="cut behind a comma"),
        pytest.param(f'{A}{{"x":{{"y":1}}{B}', [A, '{"x":{"y":1}', B], id="a brace that was not closed"),
        pytest.param(f"{A[1:]}{B}", [A[1:], B], id="a brace that was not opened"),
        pytest.param(f"{A}\n{B[1:]}\n{C}", [A, B[1:], C], id="nor on a line"),
        pytest.param("{}}", ["{}}"], id="a brace too many"),
        pytest.param(f"{A}}}", [A, "}"], id="a brace too many behind an event"),
        pytest.param(f'{{"bad": , "t": "}}{{}}{{"}}{A}', ['{"bad": , "t": "}{}{"}', A], id="braces in a text of it"),
        pytest.param(f'{{"bad": , "t": {A}}}{B}', [f'{{"bad": , "t": {A}}}', B], id="an event within it"),
        pytest.param(f"\x1e{A}\n\x1e{B[:-1]}\n\x1e{C}\n", [A, B[:-1], C], id="RFC 7464"),
        pytest.param(f"{A};{B};\n{C};", [A, B, C], id="semicolons"),
        pytest.param(f"\ufeff{A}\n\ufeff{B}\n\ufeff{{trunc", [A, B, "{trunc"], id="a byte order mark on each line"),
        pytest.param(f"\0{A}\n\0\0\n{B}\0\0{C}", ["\0", A, "\0\0", B, "\0\0", C], id="NUL bytes"),
        pytest.param(f"{A} \udcff {B}", [A, r"\xff", B], id="no UTF-8 between"),
        pytest.param(f"[1][2]{A}true{B}", ["[1]", "[2]", A, "true", B], id="what is no object"),
        pytest.param('{"a": 1, "b" {"x": 2}, "c": 3}', ['{"a": 1, "b" {"x": 2}, "c": 3}'], id="an object within it"),
    ],
)
def test_a_damaged_stretch_is_one_record_and_its_neighbours_are_read(data: str, bodies: list[str]) -> None:
    """Whatever it contains; the bodies are verbatim."""
    assert READER.read(data.encode("utf-8", "surrogateescape"))["body"].to_list() == bodies


@pytest.mark.parametrize("indent", [0, 1, "\t"])
def test_a_damaged_record_over_several_lines_is_one(indent: int | str) -> None:
    """Wherever it is cut or damaged, and the records around it are sound."""
    before, damaged, behind = (json.dumps(event(uuid, items=[{"n": 1}]), indent=indent) for uuid in "abc")
    cut = damaged.index("created_at")
    for bad in (damaged.replace("1", "bad", 1), damaged[:cut], damaged[: cut + 3], damaged[:-1], damaged[:3]):
        frame = READER.read(f"{before}\n{bad}\n{behind}\n{A}".encode())
        assert frame["body"].to_list() == [before, bad.strip(), behind, A]


def _texts_with_anything() -> st.SearchStrategy[str]:
    return st.text(st.sampled_from('{}[]",:\\ añ\ud83d\n'), max_size=12)


@st.composite
def _records(draw: st.DrawFn) -> str:
    """Return a sound event, in any of the usual ways to write it."""
    items = draw(st.lists(st.dictionaries(_texts_with_anything(), _texts_with_anything(), max_size=2), max_size=2))
    fields = event(draw(st.sampled_from("abc")), plan=draw(_texts_with_anything()), items=items)
    indent = draw(st.sampled_from([None, None, 0, 2]))
    return json.dumps(fields, indent=indent, separators=draw(st.sampled_from([None, (",", ":")])))


def _damage(text: str, kind: int, place: int) -> str:
    place = 1 + place % (len(text) - 1)
    return [
        text[:place],
        text[place:],
        text[:place] + text[place + 1 :],
        text[:place] + '"' + text[place:],
        text[:place] + "}" + text[place:],
        text[:place] + "\n" + text[place:],
        '{"bad": }',
    ][kind]


_SEPARATING = {"\n", "\r\n", "\n\ufeff", ",\n", "\n\x1e"}


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(_records(), st.none() | st.tuples(st.integers(0, 6), st.integers(0, 10_000))), max_size=8),
    st.lists(st.sampled_from([*sorted(_SEPARATING), "", " ", ";", "\x1e"]), min_size=8, max_size=8),
)
def test_whatever_is_damaged_the_others_are_read_and_no_byte_is_lost(
    records: list[tuple[str, tuple[int, int] | None]], delimiters: list[str]
) -> None:
    """Each undamaged record with a newline or `}{` on both sides is sound; all bytes but separators are in a body."""
    texts = [text if damage is None else _damage(text, *damage) for text, damage in records]
    data = "".join(map(str.__add__, texts, delimiters))
    frame = READER.read(data.encode())
    bodies = frame.filter(pl.col("fault").is_null())["body"].to_list()
    for number, (text, damage) in enumerate(records):
        apart = [
            delimiter in _SEPARATING or (before.endswith("}") and behind.startswith("{"))
            for delimiter, before, behind in [
                (delimiters[number - 1] if number else "\n", texts[number - 1], text),
                (delimiters[number] if number < len(texts) - 1 else "\n", text, texts[(number + 1) % len(texts)]),
            ]
        ]
        assert damage is not None or not all(apart) or text in bodies
    kept = re.sub(r"[\s,;\x1e\[\]\ufeff]", "", "".join(frame["body"]))
    assert kept == re.sub(r"[\s,;\x1e\[\]\ufeff]", "", data)


def _work(monkeypatch: pytest.MonkeyPatch, data: bytes) -> int:
    """Return how many bytes are looked at more closely, one by one."""
    looked_at = 0

    class Tokens:
        def search(self, text: bytes, start: int, end: int) -> re.Match[bytes] | None:
            nonlocal looked_at
            found = tokens.search(text, start, end)
            looked_at += (found.end() if found else end) - start
            return found

    def end_of_value(text: memoryview) -> tuple[int | None, int]:
        nonlocal looked_at
        end, reached = find_end(text)
        looked_at += reached
        return end, reached

    tokens, find_end = damage_finder._TOKEN, records_module.end_of_value
    with monkeypatch.context() as patch:
        patch.setattr(damage_finder, "_TOKEN", Tokens())
        patch.setattr(damage_finder, "end_of_value", end_of_value)
        READER.read(data)
    return looked_at


@pytest.mark.parametrize("delimiter", ["", "\n", " "])
def test_one_damaged_record_among_many_is_looked_at_alone(monkeypatch: pytest.MonkeyPatch, delimiter: str) -> None:
    """However many there are, with a delimiter or without."""
    looked_at = [
        _work(monkeypatch, delimiter.join([*[A] * count, B[:-20], *[A] * count]).encode()) for count in (5, 5_000)
    ]
    assert 0 < looked_at[1] <= looked_at[0] < 5 * len(A)


@pytest.mark.parametrize(
    "piece",
    [
        '{"bad": }',
        '{"event_uuid":"1","pl',
        '{"a":{"b":1}',
        '{"a":',
        '{"a":[\n',
        "[",
        "[\n",
        "{",
        "}",
        '"',
        '{"',
        '}{"x',
        'x{"a":1 ',
        ",1\n",
        "{}\n{x\n",
    ],
)
def test_what_is_damaged_costs_as_much_as_it_is_large(monkeypatch: pytest.MonkeyPatch, piece: str) -> None:
    """Twice the damage takes twice as many steps: no byte is read again for each earlier piece."""
    few, many = (_work(monkeypatch, (piece * count).encode()) for count in (3_000, 6_000))
    assert many <= 2.2 * few + 100


def test_half_a_surrogate_pair_spoils_no_event() -> None:
    """JavaScript leaves it where it cuts a text in the middle of an emoji. The body is as it landed."""
    cut = A[:-1] + r', "text": "caf\ud83d", "\ude00": ["\uD83D\uD83D\uDE00"]}'
    for data in (cut, f"{B}\n{cut}\n{C}", f"{B}{cut}{C}", f"{{broken\n{cut}", cut.replace(", ", ",\n")):
        frame = READER.read(data.encode()).filter(event_uuid="a")
        assert frame.select("event_name", "fault").rows() == [("account:created", None)]
        assert frame["body"][0].replace("\n", " ") == cut


@pytest.mark.parametrize(
    ("field", "column", "value"),
    [("event_uuid", "event_uuid", WRONG_TYPE), ("event_name", "event_name", WRONG_TYPE)],
)
def test_an_identifier_with_half_a_surrogate_pair_is_none(field: str, column: str, value: str | None) -> None:
    r"""No text can represent it, and two of them must not become one; `\ud83d` behind a backslash is ordinary text."""
    record = A.replace(json.dumps(event("a")[field]), r'"x\ud83d"')
    assert READER.read(record.encode()).select(column, "fault").rows() == [(value, None)]
    escaped = A.replace(json.dumps(event("a")[field]), r'"x\\ud83d \ud83d\ude00", "more": "\ud83d"')
    assert READER.read(escaped.encode())[column].to_list() == ["x\\ud83d \U0001f600"]


@pytest.mark.parametrize(
    ("field", "written", "value"),
    [
        ("event_uuid", "null", None),
        ("event_uuid", "7", "7"),
        ("event_uuid", "-123456789012345678901", "-123456789012345678901"),
        *(("event_uuid", written, WRONG_TYPE) for written in ["1.5", "1e3", "true", "{}", '["u"]', "9" * 5000]),
        ("event_uuid", '""', ""),
        ("event_uuid", r'"\u0061\ud83d\ude00\u0000"', "a\U0001f600\0"),
        ("event_name", "null", None),
        ("event_name", "4624", "4624"),
        *(("event_name", written, WRONG_TYPE) for written in ["7.5", "true", "{}", '["x"]']),
        ("event_name", '""', ""),
        ("created_at", "null", None),
        *(
            ("created_at", written, float("nan"))
            for written in ['"1748865600s"', '" 1748865600"', '"inf"', '"0x10"', "true", "{}", "[1]", "1e400", "-1e400"]
        ),
        ("created_at", '"1748865600"', 1748865600.0),
        ("created_at", '"1748865600.5"', 1748865600.5),
        ("created_at", "9" * 400, float("inf")),
        ("created_at", "123456789012345678901234567890", 123456789012345678901234567890.0),
        ("created_at", "-1.25E2", -125.0),
    ],
)
def test_a_value_is_read_alike_among_sound_records_and_damaged_ones(field: str, written: str, value: Any) -> None:
    """Whole, by the lines around damage, or by itself: none of these is a fault of form."""
    record = A.replace(f'"{field}": {json.dumps(event("a")[field])}', f'"{field}": {written}')
    for data in (record, f"{B}\n{record}\n{C}", f"{B}{record}{C}", f"{{broken\n{record}"):
        frame = READER.read(data.encode()).filter(body=record)
        assert repr(frame.select(field, "fault").rows()) == repr([(value, None)])


@pytest.mark.parametrize("unit", [TimeUnit.SECONDS, TimeUnit.MILLISECONDS, TimeUnit.MICROSECONDS])
def test_a_time_is_given_as_it_is_written(unit: TimeUnit) -> None:
    """The unit is for the rules to apply."""
    frame = EnvelopeReader(Envelope(unit=unit)).read(b'{"created_at": 1748865600123}{"created_at": 0.5}')
    assert frame["created_at"].to_list() == [1748865600123.0, 0.5]


def test_of_a_key_written_twice_the_last_counts() -> None:
    """As most JSON readers have it; the body keeps both."""
    twice = A.replace("{", '{"event_uuid": "first", ', 1)
    assert uuids(twice) == ["a"]
    assert uuids(f"{twice}\n{{broken") == ["a", None]


def test_an_envelope_may_be_deep_and_its_name_in_parts() -> None:
    """Parts that are absent are left out; what is no object on the way is absent, too."""
    envelope = Envelope((("head", "id"),), (("type",), ("payload", "action")), ("at",), TimeUnit.ISO8601)
    records: list[dict[str, Any]] = [
        {"head": {"id": "1"}, "type": "Push", "at": "2025-06-02T12:00:00Z"},
        {"head": {"id": "2"}, "type": "Issues", "payload": {"action": "opened", "x": 1}, "at": 7},
        {"head": 3, "type": "Fork", "payload": ["action"]},
    ]
    for order in (records, records[:1], records[::-1]):
        frame = EnvelopeReader(envelope).read("\n".join(map(json.dumps, order)).encode())
        expected = {"Push": ("1", "2025-06-02T12:00:00Z"), "Issues:opened": ("2", ""), "Fork": (None, None)}
        assert {name: rest for name, *rest in frame.select("event_name", "event_uuid", "created_at").rows()} == {
            name: list(expected[name]) for name in frame["event_name"]
        }


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        pytest.param(b'{"plan": "\xff"}', "not_utf8", id="a byte that never occurs"),
        pytest.param(b'{"\xc3": 1}', "not_utf8", id="half a letter in a key"),
        pytest.param(b'{"plan": "\xed\xa0\x80"}', "not_utf8", id="a surrogate as bytes"),
        pytest.param(b'{"plan": "\xc0\x80"}', "not_utf8", id="a NUL in two bytes"),
        pytest.param(b"{broken \xff}", "not_utf8", id="neither UTF-8 nor JSON"),
        pytest.param(b'{"plan": NaN}', "not_json", id="NaN"),
        pytest.param(b'{"created_at": -Infinity}', "not_json", id="infinity"),
        pytest.param(b'{"created_at": 01}', "not_json", id="a leading zero"),
        pytest.param(b'{"plan": "a\tb"}', "not_json", id="a tab in a text"),
        pytest.param(b'{"plan": "\0"}', "not_json", id="a NUL in a text"),
        pytest.param(b"{'plan': 1}", "not_json", id="quotes of Python"),
        pytest.param(b'{"plan": 1,}', "not_json", id="a comma too many"),
        pytest.param(b'[{"event_uuid": "a"}]', "not_an_object", id="an array"),
        pytest.param(b'"{}"', "not_an_object", id="a text"),
        pytest.param(b"-1.5e3", "not_an_object", id="a number"),
        pytest.param(b"true", "not_an_object", id="a truth value"),
        pytest.param(b"null", "not_an_object", id="null"),
    ],
)
def test_a_fault_of_form_has_its_reason_and_no_values(record: bytes, fault: str) -> None:
    """Even if it is in an unused field of a record with all necessary fields."""
    if record.startswith(b'{"'):
        record = A.encode()[:-1] + b", " + record[1:]
    (_, *values, found) = READER.read(record).row(0)
    assert (values, found) == ([None] * 3, fault)
    assert faults(b"\n".join([A.encode(), record, B.encode()])) == [None, fault, None]
    assert faults(b"".join([A.encode(), record, B.encode()])) == [None, fault, None]


def test_a_record_beyond_what_the_stream_takes_is_cut_and_its_neighbours_are_whole() -> None:
    """Up to 10 MiB a record is sound, to the byte; of a longer one 4 KiB are kept."""
    sound = A[:-1] + ', "more": "' + "x" * ((10 << 20) - len(A.encode()) - len(', "more": ""')) + '"}'
    large = sound.replace("x", "xx", 1)
    for delimiter in ("\n", ""):
        frame = READER.read(delimiter.join([B, sound, large, C]).encode())
        assert frame["fault"].to_list() == [None, None, "record_too_large", None]
        assert frame["body"].str.len_bytes().to_list()[1:3] == [10 << 20, 4096]
        assert frame["event_uuid"].to_list() == ["b", "a", None, "c"]


def test_the_order_is_that_of_the_object() -> None:
    """Across the pieces in which an object with damage is read."""
    records = [json.dumps(event(str(number))) if number % 7 else f"{{{number}" for number in range(1_000)]
    found = READER.read("\n".join(records).encode())
    assert found["body"].to_list() == records
    assert found["event_uuid"].to_list() == [str(number) if number % 7 else None for number in range(1_000)]


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ('{"type": "a", "p": {"sub": "b"}, "more": "c"}', "a:b:c"),
        ('{"type": "a", "p": {"sub": null}, "more": "c"}', "a:c"),
        ('{"p": {"sub": "b"}}', "b"),
        ('{"type": "a", "p": {}, "more": ""}', "a"),
        ('{"type": "a", "p": null}', "a"),
        ('{"type": "a", "p": "sub", "p.sub": "b"}', "a"),
        ('{"type": "a", "p": {"sub": 7}, "more": "c"}', "a:7:c"),
        ('{"type": "a", "p": {"sub": 7.5}, "more": "c"}', f"a:{WRONG_TYPE}:c"),
        ('{"type": "a:b", "more": "c"}', "a:b:c"),
        ("{}", None),
    ],
)
def test_parts_of_a_name_are_joined(record: str, name: str | None) -> None:
    """Absent, null and empty parts are left out; one of a wrong type is there, and makes no valid name."""
    reader = EnvelopeReader(Envelope(event_name=(("type",), ("p", "sub"), ("more",))))
    for data in (record, f"{record}\n{{broken", f'{record}\n{{"type": 7}}'):
        assert reader.read(data.encode())["event_name"][0] == name


DAMAGED = [
    b"{broken",
    b"[1]",
    b"7",
    b"null",
    A.encode()[:-5],
    b'{"event_uuid": "x", "plan": "\xff"}',
    b'{"a": "\\ud800"}',
    b'{"event_uuid": 7}',
    b"{" * 2_000,
    b"}",
    b"{}x",
]


@given(
    st.lists(st.sampled_from([A.encode(), B.encode(), C.encode(), *DAMAGED]), max_size=300),
    st.sampled_from([b"\n", b"\r\n", b"\n\n", b" \n\t"]),
)
def test_a_damaged_record_costs_its_neighbours_nothing(records: list[bytes], delimiter: bytes) -> None:
    """Many records are read as each by itself."""
    together = READER.read(delimiter.join(records)).rows()
    assert repr(together) == repr([row for record in records for row in READER.read(record).rows()])


#: Of what is damaged, that which shows where it ends without a delimiter.
CLOSED = [
    b"{broken}",
    b"{}",
    b'{"event_uuid": "x", "plan": "\xff"}',
    b'{"a": "\\ud800"}',
    b'{"event_uuid": 7}',
    b'{"plan": NaN}',
    b'{"plan": "open}',
    json.dumps(event("t", plan='}{"')).encode(),
]


@given(
    st.lists(st.tuples(st.sampled_from([A.encode(), B.encode(), *CLOSED]), st.sampled_from([b"", b"", b"\n", b"\r\n"])))
)
def test_nor_does_it_where_now_and_then_nothing_stands_between(pieces: list[tuple[bytes, bytes]]) -> None:
    """Objects of which some are damaged inside, with or without delimiters."""
    together = READER.read(b"".join(record + delimiter for record, delimiter in pieces)).rows()
    assert repr(together) == repr([row for record, _ in pieces for row in READER.read(record).rows()])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=12), max_size=20))
def test_no_bytes_make_the_reader_fail(lines: list[bytes]) -> None:
    """All bytes except separators are in a body, in order."""
    data = b"\n".join(lines)
    separators = re.compile(r"[\s,;\x1e\[\]\ufeff]|\\xef|\\xbb|\\xbf")
    kept = separators.sub("", "".join(READER.read(data)["body"]))
    assert kept == separators.sub("", data.decode("utf-8", "backslashreplace"))


def test_deep_nesting_is_a_fault_of_one_record() -> None:
    """However deep, and wherever."""
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    assert faults(b"\n".join([A.encode(), deep, B.encode()])) == [None, "not_json", None]

"""An object that is an array of records is read like lines, whatever its size and however it is written."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_platform.landing.arrays import as_lines
from event_platform_tests.support.world import event

_TEXTS = st.lists(st.sampled_from(["},{", '"', "\\", "]", "[", "\n", "\ud83d", ",", "é", "a"]), max_size=8).map("".join)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXTS,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(_TEXTS, values, max_size=3),
    max_leaves=6,
)
_OBJECTS = st.lists(st.dictionaries(_TEXTS, _VALUES, max_size=3), min_size=1, max_size=6)


def in_parts(data: bytes, size: int) -> Iterator[bytes]:
    """Yield data in parts, as it comes out of a decoder."""
    return (data[start : start + size] for start in range(0, len(data), size))


def read(data: bytes, size: int = 1 << 20) -> list[bytes]:
    """Return the lines of an object."""
    return [line for line in b"".join(as_lines(in_parts(data, size))).split(b"\n") if line]


@given(
    st.lists(_OBJECTS, min_size=1, max_size=3),
    st.sampled_from([None, 1]),
    st.sampled_from(["", "\n", " , "]),
    st.integers(1, 60),
)
def test_every_element_is_a_line(arrays: list[list[object]], indent: int | None, between: str, size: int) -> None:
    """Of one array or of several, on one line or over many, in parts of any size."""
    texts = [json.dumps(array, indent=indent) for array in arrays]
    lines = read(between.join(texts).encode(), size)
    assert [json.loads(line) for line in lines] == [element for array in arrays for element in array]


@pytest.mark.parametrize(
    "data", [b"", b"  ", b'{"a": 1}\n{"b": 2}\n', b"[1, 2]\n[3]\n", b'["a"]', b"[[1]]", b"[", b"text", b"\xff\xfe[{"]
)
@pytest.mark.parametrize("size", [1, 100])
def test_what_is_no_array_of_objects_is_as_it_was(data: bytes, size: int) -> None:
    """To the byte."""
    assert b"".join(as_lines(in_parts(data, size))) == data.lstrip(b" ") if data.strip() else True


def test_an_empty_array_holds_nothing() -> None:
    """Not one record."""
    assert read(b" [ ] ") == []


def test_lines_behind_an_array_are_lines() -> None:
    """As they were written."""
    assert read(b'[{"a":1}]\n{"b":2}\n{"c":3}') == [b'{"a":1}', b'{"b":2}', b'{"c":3}']


@pytest.mark.parametrize(
    "damaged",
    [
        b'{"a": NaN}',
        b'{"a": [{"b": 1}, {"b": }]}',
        b'{"a" 1}',
        b'{"a": "b}',
        b"{]}",
    ],
)
@pytest.mark.parametrize("size", [7, 1 << 20])
def test_damage_is_one_line_and_costs_its_neighbours_nothing(damaged: bytes, size: int) -> None:
    """Those before, and those behind."""
    before, behind = (json.dumps(event(f"u{number}")).encode() for number in range(2))
    lines = read(b"[" + b", ".join([before, damaged, behind, behind]) + b"]", size)
    assert lines[0] == before
    assert lines[-2:] == [behind, behind]
    assert len(lines) <= 4


def test_a_cut_array_ends_with_a_damaged_line() -> None:
    """The records before the cut are whole."""
    records = [json.dumps(event(f"u{number}")).encode() for number in range(3)]
    lines = read(b"[" + b",".join(records)[:-9], 50)
    assert lines == [*records[:2], records[2][:-9]]


def test_an_element_is_not_held_where_it_is_too_large() -> None:
    """It is passed on in parts, and what follows is read."""
    huge = b'{"a": "' + b"x" * (24 << 20) + b'"}'
    parts = list(as_lines(in_parts(b'[{"b": 1},' + huge + b',{"c": 1}]', 1 << 20)))
    assert max(map(len, parts)) < 12 << 20
    assert b"".join(parts) == b'{"b": 1}\n' + huge + b'\n{"c": 1}\n'

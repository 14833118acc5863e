"""Files written by people: any content is read within limits, or rejected with a line that has the reason."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from event_platform.environment import SAMPLE_CATALOG
from event_platform.events.catalog import load_catalog
from event_platform.events.documents import DocumentError, find_value_faults, read_document
from event_platform.events.envelope_file import load_envelope
from event_platform.events.errors import CatalogError


def written(folder: Path, text: str | bytes, name: str = "a.yaml") -> Path:
    """Write a file."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(path: Path) -> str:
    """Return why a file is refused: one line."""
    with pytest.raises(DocumentError) as failure:
        read_document(path)
    (line,) = str(failure.value).splitlines()
    return line


def bomb(levels: int, width: int) -> str:
    """Return YAML of a few lines in which aliases stand for `width` to the power of `levels` values."""
    lines = [f"l0: &l0 [{', '.join(['x'] * width)}]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize("name", ["a.yaml", "a.json", "envelope.yaml"])
@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder", "a link to itself", "a link to nothing"])
def test_only_a_file_is_read(tmp_path: Path, kind: str, name: str) -> None:
    """Whoever opens a pipe waits for ever, and a device has no end."""
    path = tmp_path / name
    match kind:
        case "a pipe":
            os.mkfifo(path)
        case "a device":
            path.symlink_to("/dev/zero")
        case "a folder":
            path.mkdir()
        case "a link to itself":
            path.symlink_to(path)
        case _:
            path.symlink_to(tmp_path / "nothing")
    refusal(path)
    with pytest.raises(CatalogError, match=f"{name}: (cannot be read|not YAML): "):
        load_catalog(tmp_path)


def test_a_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    """Even if it has no known end."""
    assert refusal(written(tmp_path, "#" * (1 << 20) + "\n")) == "larger than 1,048,576 bytes"
    assert read_document(written(tmp_path, "#" * ((1 << 20) - 3) + "\n{}")) == {}


@pytest.mark.parametrize(("levels", "width"), [(9, 9), (30, 2), (3, 400)])
def test_aliases_count_for_what_they_stand_for(tmp_path: Path, levels: int, width: int) -> None:
    """A few lines may stand for more values than there is memory."""
    assert refusal(written(tmp_path, bomb(levels, width))) == "more than 100,000 values, with aliases expanded"
    assert "more than 100,000 values" in refusal(written(tmp_path, f"[{'x,' * 100_001}]"))


def test_aliases_and_merges_within_the_limit_are_read(tmp_path: Path) -> None:
    """As YAML has them."""
    text = "{a: &a {type: string}, b: *a, c: [*a, *a], d: {<<: *a, x: 1}, e: {<<: [*a, {y: 2}]}}"
    a = {"type": "string"}
    expected = {"a": a, "b": a, "c": [a, a], "d": {**a, "x": 1}, "e": {**a, "y": 2}}
    assert read_document(written(tmp_path, text)) == expected


@pytest.mark.parametrize(
    "text",
    ["[" * 500_000, "- " * 500_000, "{a: " * 250_000, "\n".join(f"{' ' * n}a:" for n in range(1_000)), "? " * 500_000],
    ids=["lists", "block lists", "objects", "block objects", "keys"],
)
@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_depth_has_a_limit(tmp_path: Path, text: str, name: str) -> None:
    """YAML's parser in C would end the process."""
    assert refusal(written(tmp_path, text, name))


def test_depth_within_the_limit_is_read(tmp_path: Path) -> None:
    """In JSON, where values are looked through once they are read, and in YAML."""
    for name in ("a.json", "a.yaml"):
        document = read_document(written(tmp_path, "[" * 100 + "]" * 100, name))
        assert not list(find_value_faults(document))
    document = read_document(written(tmp_path, "[" * 102 + "]" * 102, "a.json"))
    assert "more than 100 objects and lists within each other" in next(find_value_faults(document))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", "a: the key is written twice, in lines 1 and 3"),
        ("{a: 1, 'a': 2}", "a: the key is written twice, in lines 1 and 1"),
        ("x:\n  - k: 1\n    k: 1\n", "k: the key is written twice, in lines 2 and 3"),
        ("x: {k: 1}\ny: {k: 1}\nk: [k, k]\n", None),
        ("? [a]\n: 1\nb: {a: 1}\na: 2\n", "while constructing a mapping found unhashable key"),
    ],
)
def test_a_key_that_is_written_twice_is_told_with_its_lines(tmp_path: Path, text: str, told: str | None) -> None:
    """Of two values one would be lost in silence."""
    path = written(tmp_path, text)
    if told is None:
        assert read_document(path)
    else:
        assert refusal(path).startswith(told.split(" found")[0])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{\n "a": 1,\n "b": {"a": 2},\n "a": 3}', "a: the key is written twice, in lines 2 and 4"),
        ('{"x": [{"k": 1, "k": 1}]}', "k: the key is written twice, in lines 1 and 1"),
        ('{\n\t"k\\u0021": 1, "k!": 1}', "k!: the key is written twice"),
    ],
)
def test_a_key_that_is_written_twice_in_json_is_told_too(tmp_path: Path, text: str, told: str) -> None:
    """With the lines where YAML's parser, which knows them, can read it."""
    assert refusal(written(tmp_path, text, "a.json")).startswith(told)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"a": [{"b": "\ud800"}]}, r"a.0.b: '\ud800': half of a surrogate pair is not a character"),
        ({"a": {"x\udfff": 1}}, r"a.'x\udfff': half of a surrogate pair is not a character"),
        ({"a": float("nan")}, "a: nan is not a number in JSON"),
        ({"a": [float("-inf")]}, "a.0: -inf is not a number in JSON"),
        ({"a": b"x"}, "a: YAML does not take \"b'x'\" for a text; put it in quotes"),
        ({None: 1}, "None: YAML does not take this key for a text; put it in quotes"),
        ({"a": ["é", "\U0001f44d", None, True, 2**70, 1.5]}, None),
    ],
)
def test_a_value_that_json_or_a_table_lacks_is_named(value: Any, fault: str | None) -> None:
    """With the way to it."""
    assert list(find_value_faults(value)) == ([fault] if fault else [])


@pytest.mark.parametrize(
    "text",
    [
        "!!bool x",
        "!!int ''",
        "!!int x",
        "!!timestamp x",
        "!!float x",
        "!!binary é",
        "2025-99-99",
        "!!set [a]",
        "!!omap 7",
        "!!pairs {a: 1}",
        "? {a: 1}\n: 2",
        "!!python/object/apply:os.getcwd []",
        "!mine x",
        "\0",
        "%YAML 7.0\n---\na",
        "9" * 5_000,
        "a: *nowhere",
        "2025-01-01T25:00:00Z",
        "0001-01-01T00:00:00+23:00",
        "!!str [a]",
        "!!null x",
    ],
)
def test_whatever_a_value_is_it_is_read_or_refused(tmp_path: Path, text: str) -> None:
    """With whatever tag; a fault is one line, and code is never run."""
    for written_as in (text, f"[{text}]", f"a: {text}"):
        message = "read"
        try:
            list(find_value_faults(read_document(written(tmp_path, written_as))))
        except DocumentError as error:
            message = str(error)
        assert len(message.splitlines()) == 1


def test_an_envelope_is_read_as_a_schema_is(tmp_path: Path) -> None:
    """Within the same limits; a name is not joined from so many fields that it never ends."""
    for text, message in (
        ("event_uuid: id\nevent_uuid: key\n", "event_uuid: the key is written twice, in lines 1 and 2"),
        (bomb(9, 9), "more than 100,000 values"),
        (f"event_name: [{', '.join(f'f{n}' for n in range(17))}]", "event_name: expected up to 16 fields, got 17"),
        (json.dumps({"event_uuid": "\ud800"}), "event_uuid: expected a field"),
    ):
        with pytest.raises(CatalogError) as failure:
            load_envelope(written(tmp_path, text, "envelope.yaml"))
        assert message in str(failure.value) or "not YAML" in str(failure.value)


def test_the_sample_catalog_is_within_the_limits() -> None:
    """By far: its largest file takes a hundredth."""
    assert max(path.stat().st_size for path in SAMPLE_CATALOG.iterdir()) < (1 << 20) / 50

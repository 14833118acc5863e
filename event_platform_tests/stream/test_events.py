"""The events to send: every line of what is given, once, and records that Kinesis takes."""

import gzip
import os
import random
from pathlib import Path

import pytest

from event_platform.events.errors import StorageError
from event_platform.stream import events
from event_platform.stream.events import Event, as_records, read_lines


def lines_of(path: Path) -> list[tuple[int, bytes]]:
    """Return the lines of a file, and their numbers."""
    with path.open("rb", buffering=0) as file:
        return [(event.number, event.line) for event in read_lines(path.name, file.fileno()) if event]


NOISE = random.Random(1)  # noqa: S311 - the same each time


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file."""
    return tmp_path / "events"


def test_lines_are_numbered_as_in_the_file(file: Path) -> None:
    """Empty ones count, and are no events; the last needs no end; Windows ends lines with two characters."""
    file.write_bytes(b'{"a":1}\n\n{"a":2}\r\n\r\n{"a":3}')
    assert lines_of(file) == [(1, b'{"a":1}'), (3, b'{"a":2}'), (5, b'{"a":3}')]


def test_gzip_is_known_by_its_bytes(file: Path) -> None:
    """Of several members, with a line across two of them; larger than what is read at once."""
    content = b"".join(
        b'{"n":%d,"noise":"%s"}\n' % (number, NOISE.randbytes(40).hex().encode()) for number in range(3_000)
    )
    file.write_bytes(gzip.compress(content[:100_001]) + gzip.compress(content[100_001:]))
    assert [line for _, line in lines_of(file)] == content.splitlines()


def test_a_broken_gzip_gives_what_is_before_the_break(file: Path) -> None:
    """And the error names the last line that was read."""
    file.write_bytes(gzip.compress(b"one\ntwo\n" + NOISE.randbytes(1000).replace(b"\n", b""))[:-500])
    with file.open("rb", buffering=0) as opened:
        reading = read_lines("export.gz", opened.fileno())
        assert [next(reading), next(reading)] == [Event("export.gz", 1, b"one"), Event("export.gz", 2, b"two")]
        with pytest.raises(StorageError, match=r"export\.gz: cannot be read after line 2: the gzip ends"):
            list(reading)


def test_a_pipe_says_when_it_has_nothing_more_for_now() -> None:
    """So that pending records are sent, however long the next one takes; half a line waits for its other half."""
    read_end, write_end = os.pipe()
    try:
        os.write(write_end, b"one\ntwo\nthr")
        reading = read_lines("pipe", read_end)
        events = [next(reading) for _ in range(3)]
        assert [each and each.line for each in events] == [b"one", b"two", None]
        os.write(write_end, b"ee\n")
        os.close(write_end)
        assert [each.line for each in reading if each] == [b"three"]
    finally:
        os.close(read_end)


def test_a_line_that_no_stream_takes_is_not_held_in_memory(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its beginning is, which is too long as well; the next is a line like any other."""
    monkeypatch.setattr(events, "MAX_LINE_BYTES", 100_000)
    file.write_bytes(b"x" * 1_000_000 + b"\nnext\n")
    assert [(number, len(line)) for number, line in lines_of(file)] == [(1, 100_001), (2, 4)]


def records(
    *lines: bytes, path: str = "event_uuid", per_record: int = 1, max_bytes: int = 1000
) -> list[tuple[bytes, str]]:
    """Return data and keys of the records of some lines."""
    events = [Event("", number, line) for number, line in enumerate(lines, start=1)]
    return [(record.data, record.key) for record in as_records(events, path, per_record, max_bytes) if record]


@pytest.mark.parametrize(
    ("line", "path", "key"),
    [
        (b'{"event_uuid":"u-1","user":{"id":7}}', "event_uuid", "u-1"),
        (b'{"event_uuid":"u-1","user":{"id":7}}', "user.id", "7"),
        (b'{"event_uuid":"\\u00e9"}', "event_uuid", "\u00e9"),
    ],
)
def test_the_key_is_the_value_of_a_field(line: bytes, path: str, key: str) -> None:
    """Events that share it share a shard."""
    assert records(line, path=path) == [(line + b"\n", key)]


@pytest.mark.parametrize(
    "line",
    [b"{broken", b"{}", b'{"event_uuid":""}', b'{"event_uuid":"%s"}' % (b"x" * 257), b"[1]", b"\xff", b"[" * 9000],
)
def test_what_has_no_usable_key_is_spread(line: bytes) -> None:
    """By its bytes: the same record goes to the same shard, and it is sent whatever it is."""
    ((data, key),) = records(line)
    assert data == line + b"\n"
    assert len(key) == 16
    assert records(line) == [(data, key)]
    assert records(line + b" ")[0][1] != key


def test_several_events_share_a_record() -> None:
    """As many as are wanted and as the stream takes, in order, each with its newline."""
    lines = [b"%d" % number * 20 for number in range(8)]
    contents = [data for data, _ in records(*lines, per_record=3)]
    assert [data.count(b"\n") for data in contents] == [3, 3, 2]
    assert b"".join(contents) == b"".join(line + b"\n" for line in lines)
    small = records(*lines, per_record=3, max_bytes=64)
    assert [data.count(b"\n") for data, _ in small] == [2, 2, 2, 2]
    assert all(len(data) + len(key) <= 64 for data, key in small)


def test_events_that_wait_for_others_are_sent_where_those_are_long_in_coming() -> None:
    """A pause ends the record."""
    stream = [Event("", 1, b"one"), None, Event("", 2, b"two")]
    contents = [record and record.data for record in as_records(stream, "", 13, 1000)]
    assert contents == [b"one\n", None, b"two\n"]

"""Lines of files or of a pipe, compressed or not → events → Kinesis records."""

import hashlib
import os
import select
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from event_platform.events.errors import StorageError

#: The record limit of Kinesis. Longer lines are cut slightly above it, so that they are rejected.
MAX_LINE_BYTES = 10 << 20

_CHUNK_BYTES = 1 << 16
_MAX_KEY_LENGTH = 256  # characters
_OBJECT_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Event:
    """A line to send, without its newline, and its source."""

    source: str
    number: int  # of the line
    line: bytes


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """A Kinesis record to send: one event, or several with a newline after each."""

    data: bytes
    key: str
    events: tuple[Event, ...]

    @property
    def size(self) -> int:
        """Size in bytes, as Kinesis counts it."""
        return len(self.data) + len(self.key.encode())


def read_lines(source: str, descriptor: int) -> Iterator[Event | None]:
    """Yield the non-empty lines of an open file or pipe, and None while a pipe has no more data.

    Raises StorageError naming the last line that could be read.
    """
    number = 0
    try:
        for line in _split(_unpack(_chunks(descriptor))):
            if line is None:
                yield None
                continue
            number += 1
            if line := line.rstrip(b"\r"):
                yield Event(source, number, line)
    except (OSError, EOFError, zlib.error) as error:
        raise StorageError(
            f"{source}: cannot be read after line {number}: {error}; the lines before it were sent"
        ) from error


def _chunks(descriptor: int) -> Iterator[bytes | None]:
    while True:
        if not select.select([descriptor], [], [], 0)[0]:
            yield None
        chunk = os.read(descriptor, _CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


def _unpack(chunks: Iterator[bytes | None]) -> Iterator[bytes | None]:
    """Decompress gzip, with any number of members. Pass on other data."""
    member = None
    is_gzip: bool | None = None
    for chunk in chunks:
        if chunk is None:
            yield None
            continue
        is_gzip = chunk.startswith(b"\x1f\x8b") if is_gzip is None else is_gzip
        packed = chunk if is_gzip else b""
        if not is_gzip:
            yield chunk
        while packed:
            member = member or zlib.decompressobj(wbits=31)
            yield member.decompress(packed)
            packed, member = (member.unused_data, None) if member.eof else (b"", member)
    if member is not None:
        raise EOFError("the gzip ends in the middle of its data")


def _split(chunks: Iterator[bytes | None]) -> Iterator[bytes | None]:
    rest = b""
    for chunk in chunks:
        if chunk is None:
            yield None
            continue
        first, newline, tail = chunk.partition(b"\n")
        rest = (rest + first)[: MAX_LINE_BYTES + 1]
        if newline:
            *lines, last = tail.split(b"\n")
            yield rest
            yield from lines
            rest = last
    if rest:
        yield rest


def as_records(
    events: Iterable[Event | None], path: str, per_record: int, max_bytes: int
) -> Iterator[OutgoingRecord | None]:
    """Put up to `per_record` events into each record, within `max_bytes`. Pass on None.

    The partition key of a record with one event is the value at `path` (dots separate nested keys), so that events with
    the same value go to the same shard. Otherwise it is a hash, which spreads records evenly.
    """
    steps = path.split(".")
    if per_record == 1:
        for event in events:
            yield None if event is None else OutgoingRecord(event.line + b"\n", _key(event.line, steps), (event,))
        return
    batch: list[Event] = []
    size = len(_hash(b""))
    for event in events:
        if batch and (event is None or len(batch) == per_record or size + len(event.line) + 1 > max_bytes):
            yield _join(batch)
            batch, size = [], len(_hash(b""))
        if event is None:
            yield None
        else:
            batch.append(event)
            size += len(event.line) + 1
    if batch:
        yield _join(batch)


def _join(events: list[Event]) -> OutgoingRecord:
    data = b"".join([event.line + b"\n" for event in events])
    return OutgoingRecord(data, _hash(data), tuple(events))


def _key(line: bytes, steps: list[str]) -> str:
    return _value(line, steps) or _hash(line)


def _value(line: bytes, steps: list[str]) -> str | None:
    """Return the value at a path, if it can be a partition key."""
    try:
        value: bytes | msgspec.Raw = line
        for step in steps:
            value = _OBJECT_DECODER.decode(value)[step]
        key = bytes(value).decode() if bytes(value)[:1] != b'"' else msgspec.json.decode(value, type=str)
    except (msgspec.MsgspecError, KeyError, UnicodeDecodeError, RecursionError):
        return None
    return key if 0 < len(key) <= _MAX_KEY_LENGTH else None


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()

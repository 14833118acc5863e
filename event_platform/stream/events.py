"""The events to send: the lines of files or of a pipe, compressed or not; and the records that are made of them."""

import hashlib
import os
import select
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from event_platform.events.errors import StorageError

#: Kinesis takes no more in any stream. Of a line that is longer the beginning is kept: enough to be refused.
LONGEST = 10 << 20

_BITE = 1 << 16  # bytes
_LONGEST_KEY = 256  # characters
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Event:
    """A line that is to be sent, without its end, and where it comes from."""

    source: str
    number: int  # of the line
    line: bytes


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to send: one event, or several, with a newline after each."""

    data: bytes
    key: str
    events: tuple[Event, ...]

    @property
    def size(self) -> int:
        """Bytes, as Kinesis counts them."""
        return len(self.data) + len(self.key.encode())


def read_lines(source: str, descriptor: int) -> Iterator[Event | None]:
    """Yield the lines of an open file or pipe that are not empty, and None where a pipe has nothing more for now.

    Raises StorageError naming the last line that could be read.
    """
    number = 0
    try:
        for line in _split(_unpack(_bites(descriptor))):
            if line is None:
                yield None
                continue
            number += 1
            if line := line.rstrip(b"\r"):
                yield Event(source, number, line)
    except (OSError, EOFError, zlib.error) as error:
        raise StorageError(
            f"{source}: cannot be read after line {number}: {error}; what is before it was sent"
        ) from error


def _bites(descriptor: int) -> Iterator[bytes | None]:
    while True:
        if not select.select([descriptor], [], [], 0)[0]:
            yield None
        bite = os.read(descriptor, _BITE)
        if not bite:
            return
        yield bite


def _unpack(bites: Iterator[bytes | None]) -> Iterator[bytes | None]:
    """Unpack gzip, of several members too; leave alone what is none."""
    member = None
    is_gzip: bool | None = None
    for bite in bites:
        if bite is None:
            yield None
            continue
        is_gzip = bite.startswith(b"\x1f\x8b") if is_gzip is None else is_gzip
        left = bite if is_gzip else b""
        if not is_gzip:
            yield bite
        while left:
            member = member or zlib.decompressobj(wbits=31)
            yield member.decompress(left)
            left, member = (member.unused_data, None) if member.eof else (b"", member)
    if member is not None:
        raise EOFError("the gzip ends in the middle of its data")


def _split(bites: Iterator[bytes | None]) -> Iterator[bytes | None]:
    rest = b""
    for bite in bites:
        if bite is None:
            yield None
            continue
        first, newline, more = bite.partition(b"\n")
        rest = (rest + first)[: LONGEST + 1]
        if newline:
            *whole, last = more.split(b"\n")
            yield rest
            yield from whole
            rest = last
    if rest:
        yield rest


def as_records(events: Iterable[Event | None], path: str, per_record: int, max_bytes: int) -> Iterator[Outgoing | None]:
    """Put up to `per_record` events into each record, as far as `max_bytes` allow; pass on None.

    The key of a record with one event is the value at `path` (dots go into objects), so that events that share it share
    a shard. Where there is none, and of several events, it is a hash: they are spread evenly.
    """
    steps = path.split(".")
    if per_record == 1:
        for event in events:
            yield None if event is None else Outgoing(event.line + b"\n", _key(event.line, steps), (event,))
        return
    together: list[Event] = []
    size = len(_hash(b""))
    for event in events:
        if together and (event is None or len(together) == per_record or size + len(event.line) + 1 > max_bytes):
            yield _joined(together)
            together, size = [], len(_hash(b""))
        if event is None:
            yield None
        else:
            together.append(event)
            size += len(event.line) + 1
    if together:
        yield _joined(together)


def _joined(events: list[Event]) -> Outgoing:
    data = b"".join([event.line + b"\n" for event in events])
    return Outgoing(data, _hash(data), tuple(events))


def _key(line: bytes, steps: list[str]) -> str:
    return _value(line, steps) or _hash(line)


def _value(line: bytes, steps: list[str]) -> str | None:
    """Return the text or number at a path, if it can be a key."""
    try:
        value: bytes | msgspec.Raw = line
        for step in steps:
            value = _FIELDS.decode(value)[step]
        key = bytes(value).decode() if bytes(value)[:1] != b'"' else msgspec.json.decode(value, type=str)
    except (msgspec.MsgspecError, KeyError, UnicodeDecodeError, RecursionError):
        return None
    return key if 0 < len(key) <= _LONGEST_KEY else None


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()

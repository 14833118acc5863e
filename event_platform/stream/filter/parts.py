"""The data of a stream record → its parts, which can be dropped separately, with their events."""

import gzip
import zlib
from collections.abc import Collection
from dataclasses import dataclass

from event_platform.events.envelope import Envelope
from event_platform.events.identity import EventIdentifier, IdentifiedEvent
from event_platform.events.records import cut_at_braces
from event_platform.stream.aggregated import parts as aggregated_parts

_GZIP = b"\x1f\x8b"

#: Maximum size of a stream record after unpacking. Larger ones pass.
_MAX_UNPACKED_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a stream record, and their events: one event, those of a wrapper, or none."""

    data: bytes
    events: tuple[IdentifiedEvent, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a stream record, in order."""

    parts: tuple[Part, ...] = ()
    is_gzip: bool = False

    def without(self, dropped: Collection[int]) -> bytes:
        """Return the data without some of the parts; the bytes of the others are unchanged."""
        data = b"".join(part.data for number, part in enumerate(self.parts) if number not in dropped)
        return gzip.compress(data, mtime=0) if self.is_gzip else data

    def is_empty_without(self, dropped: Collection[int]) -> bool:
        """Return whether only blanks would remain."""
        return not any(part.data.strip() for number, part in enumerate(self.parts) if number not in dropped)


class PartReader:
    """Splits stream records into parts. Holds compiled decoders: create it once."""

    def __init__(self, envelope: Envelope) -> None:
        """Compile the paths of `envelope`."""
        self._identifier = EventIdentifier(envelope)

    def read(self, data: bytes, arrived_at: float) -> Parts:
        """Return the parts of a record that arrived at a Unix time; empty if it cannot be read entirely."""
        is_gzip = data.startswith(_GZIP)
        content = _gunzip(data) if is_gzip else data
        if content is None:
            return Parts()
        records: list[Part] = []
        for record in _records(content):
            parts = self._parts(record, arrived_at)
            if parts is None:
                return Parts()
            records.extend(parts)
        return Parts(tuple(records), is_gzip)

    def _parts(self, record: bytes, arrived_at: float) -> list[Part] | None:
        """Split at newlines and, if that gives no whole objects, also between `}` and `{`, as the lake does."""
        lines = record.split(b"\n")
        events = self._identifier.identify(lines, arrived_at)
        ends = [b"\n"] * (len(lines) - 1) + [b""]
        if events is None:
            pieces_by_line = [cut_at_braces(line)[1] for line in lines]
            ends = [
                end
                for pieces, end in zip(pieces_by_line, ends, strict=True)
                for end in [b""] * (len(pieces) - 1) + [end]
            ]
            lines = [piece for pieces in pieces_by_line for piece in pieces]
            events = self._identifier.identify(lines, arrived_at)
        if events is None:
            return None
        return [Part(line + end, event) for line, end, event in zip(lines, ends, events, strict=True)]


def _records(content: bytes) -> list[bytes]:
    """Return the records of an aggregated one, each followed by a newline as in landing, or `content` itself."""
    records = aggregated_parts(content)
    return (
        records
        if records == [content]
        else [record if record.endswith(b"\n") else record + b"\n" for record in records]
    )


def _gunzip(data: bytes) -> bytes | None:
    """Decompress one member of gzip; None if it is damaged, too large, or followed by other data."""
    member = zlib.decompressobj(wbits=31)
    try:
        content = member.decompress(data, _MAX_UNPACKED_BYTES)
    except zlib.error:
        return None
    return content if member.eof and not member.unused_data else None

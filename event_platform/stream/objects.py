"""The objects that a consumer lands: what is in them, and what they are called.

    yyyy/MM/dd/HH/<stream>-<shard>-<sequence number of the first record>-<number of records>.gz

The hour is that of the first record's arrival in the stream. The records of a shard are in one order for ever, so that
the name says which records an object holds: what is written again under a name is what was there before.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from isal import igzip

from event_platform.storage.store import Store
from event_platform.stream.aggregated import parts

_COUNT = re.compile(r"-([0-9]{1,9})\.gz")

#: Of isal: ten times as fast as zlib's usual level, for objects that are a fifth larger.
_LEVEL = 2


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a shard: one event, or several with a newline between them."""

    data: bytes
    sequence_number: str
    arrived_at: datetime


@dataclass
class Pending:
    """Records of a shard, in their order, that are not in landing yet."""

    records: list[Record] = field(default_factory=list)
    size: int = 0  # bytes of the content, before gzip
    _lines: list[bytes] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Add the next record."""
        self.records.append(record)
        for part in parts(record.data):
            line = part if part.endswith(b"\n") else part + b"\n"
            self._lines.append(line)
            self.size += len(line)

    def content(self) -> bytes:
        """Return the content: a newline after each record, gzip; the same bytes for the same records."""
        packed: bytes = igzip.compress(b"".join(self._lines), _LEVEL, mtime=0)
        return packed

    def name(self, stream: str, shard: str) -> str:
        """Return the object's path below the root of landing."""
        return f"{_beginning(stream, shard, self.records[0])}{len(self.records)}.gz"


def landed_already(landing: Store, stream: str, shard: str, first: Record) -> int | None:
    """Return how many records the largest object in landing has that begins with `first`; None without one.

    There is one if a consumer was killed after it had written an object, and before it had noted that.
    """
    beginning = _beginning(stream, shard, first)
    found = [_COUNT.fullmatch(name, len(beginning) - 1) for name in landing.names(beginning)]
    return max((int(match[1]) for match in found if match), default=None)


def _beginning(stream: str, shard: str, first: Record) -> str:
    # Readers pass over names that begin with . or _, and a stream may be called that.
    visible = f"stream{stream}" if stream.startswith((".", "_")) else stream
    return f"{first.arrived_at.astimezone(UTC):%Y/%m/%d/%H}/{visible}-{shard}-{first.sequence_number}-"

"""The objects that a consumer writes to landing: their content and their names.

    yyyy/MM/dd/HH/<stream>-<shard>-<sequence number of the first record>-<number of records>.gz

The hour is the arrival of the first record in the stream. The order of records in a shard never changes, so the name
determines the records in an object, and writing it again after a kill gives the same content.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from isal import igzip

from event_platform.storage.store import Store
from event_platform.stream.aggregated import parts

_COUNT = re.compile(r"-([0-9]{1,9})\.gz")

#: Compression level of isal: ten times as fast as zlib's default level; objects are a fifth larger.
_LEVEL = 2


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a shard: one event, or several separated by newlines."""

    data: bytes
    sequence_number: str
    arrived_at: datetime


@dataclass
class PendingRecords:
    """Records of a shard, in order, that have not landed yet."""

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
        """Return the content as gzip, with a newline after each record. The same records give the same bytes."""
        data: bytes = igzip.compress(b"".join(self._lines), _LEVEL, mtime=0)
        return data

    def name(self, stream: str, shard: str) -> str:
        """Return the object's path below the root of landing."""
        return f"{_name_prefix(stream, shard, self.records[0])}{len(self.records)}.gz"


def landed_record_count(landing: Store, stream: str, shard: str, first_record: Record) -> int | None:
    """Return the number of records of the largest object that begins with `first_record`; None if there is none.

    Such an object exists if a consumer was killed between writing the object and writing the checkpoint.
    """
    prefix = _name_prefix(stream, shard, first_record)
    matches = [_COUNT.fullmatch(name, len(prefix) - 1) for name in landing.names(prefix)]
    return max((int(match[1]) for match in matches if match), default=None)


def _name_prefix(stream: str, shard: str, record: Record) -> str:
    # Names that begin with . or _ are hidden in landing, and a stream may have such a name.
    visible_stream = f"stream{stream}" if stream.startswith((".", "_")) else stream
    return f"{record.arrived_at.astimezone(UTC):%Y/%m/%d/%H}/{visible_stream}-{shard}-{record.sequence_number}-"

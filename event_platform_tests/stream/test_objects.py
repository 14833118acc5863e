"""The objects that are landed: names and content follow from their records alone."""

import gzip
from datetime import UTC, datetime, timedelta, timezone
from hashlib import md5
from pathlib import Path

import pytest

from event_platform.storage.folder import FolderStore
from event_platform.stream.aggregated import parts
from event_platform.stream.objects import PendingRecords, Record, landed_record_count

SHARD = "shardId-000000000000"
MOMENT = datetime(2025, 6, 2, 23, 59, 59, tzinfo=UTC)

#: Made by awslabs' aws_kinesis_agg 1.2: three records with the keys u1, u2 and u1; the second ends with a newline.
AGGREGATED = bytes.fromhex(
    "f3899ac20a0275310a0275321a1708001a137b226576656e745f75756964223a227531227d1a1808011a147b226576656e745f75756964223a"
    "227532227d0a1a0b08001a077b226e223a337d188c6a0931e0a5ca32aece73ca627b59"
)


def pending(*records: Record) -> PendingRecords:
    """Return records that wait to be landed."""
    waiting = PendingRecords()
    for record in records:
        waiting.add(record)
    return waiting


def test_the_name_tells_the_hour_the_stream_the_shard_and_the_records() -> None:
    """The hour of the first record's arrival, in UTC wherever the machine is."""
    first = Record(b"{}", "17", MOMENT.astimezone(timezone(timedelta(hours=2))))
    waiting = pending(first, Record(b"{}", "18", MOMENT + timedelta(hours=1)))
    assert waiting.name("events", SHARD) == f"2025/06/02/23/events-{SHARD}-17-2.gz"


def test_the_name_of_an_object_is_never_hidden() -> None:
    """Landing passes over names that begin with . or _; a stream may have one."""
    waiting = pending(Record(b"{}", "17", MOMENT))
    assert waiting.name("_events", SHARD) == f"2025/06/02/23/stream_events-{SHARD}-17-1.gz"
    assert waiting.name(".events", SHARD) == f"2025/06/02/23/stream.events-{SHARD}-17-1.gz"


def test_the_longest_name_fits_a_file_system() -> None:
    """Of 255 bytes: a stream's name has up to 128, a sequence number 56 digits."""
    name = pending(Record(b"{}", "4" * 56, MOMENT)).name("e" * 128, SHARD).rpartition("/")[2]
    assert len(name) + len("000000") <= 255


def test_a_newline_ends_each_record_once() -> None:
    """And the size is that of the content."""
    waiting = pending(Record(b"a", "1", MOMENT), Record(b"b\n", "2", MOMENT), Record(b"c\nd", "3", MOMENT))
    assert gzip.decompress(waiting.content()) == b"a\nb\nc\nd\n"
    assert waiting.size == 8
    assert waiting.content() == waiting.content()


def test_records_of_the_producer_library_are_taken_apart() -> None:
    """As Firehose does; the name counts the records of the stream, which are what a consumer can begin after."""
    waiting = pending(Record(AGGREGATED, "17", MOMENT), Record(b"plain", "18", MOMENT))
    assert gzip.decompress(waiting.content()) == b'{"event_uuid":"u1"}\n{"event_uuid":"u2"}\n{"n":3}\nplain\n'
    assert waiting.name("events", SHARD).endswith("-17-2.gz")


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        AGGREGATED[:4],
        AGGREGATED[:30],
        AGGREGATED[:-1],
        AGGREGATED[1:],
        # With the right sum: cut in a number, longer than it is, of a wire type that there is not.
        *(AGGREGATED[:4] + each + md5(each).digest() for each in (b"\x1a\xff", b"\x1a\x09x", b"\x1d\x01abcd")),  # noqa: S324
    ],
)
def test_what_is_no_such_record_is_landed_as_it_is(damaged: bytes) -> None:
    """The platform sets it aside, and it can be looked at."""
    assert parts(damaged) == [damaged]


def test_what_has_landed_already_is_found_by_its_first_record(tmp_path: Path) -> None:
    """The largest, if there are several; and no other shard's, hour's or stream's."""
    landing = FolderStore(tmp_path)
    first = Record(b"{}", "17", MOMENT)
    assert landed_record_count(landing, "events", SHARD, first) is None
    for name in ("events", "events-2", "other"):
        for number, count in (("17", 3), ("17", 20), ("17", 4), ("170", 99), ("18", 5)):
            landing.write_durably(f"2025/06/02/23/{name}-{SHARD}-{number}-{count + len(name)}.gz", b"")
    landing.write_durably(f"2025/06/02/22/events-{SHARD}-17-1000.gz", b"")
    assert landed_record_count(landing, "events", SHARD, first) == 26

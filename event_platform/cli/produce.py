"""`event-platform produce`: events → a Kinesis stream."""

import random
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from rich.table import Table

from event_platform.cli.output import ERR, OUT
from event_platform.cli.progress import show_progress
from event_platform.events.errors import SettingError
from event_platform.sample.generate import Truth, stream_hour, write_truth
from event_platform.stream.events import Event, as_records, read_lines
from event_platform.stream.kinesis import connect, describe_stream
from event_platform.stream.produce import FailedEvent, Producer, SendTotals

#: Events that were not sent and get a line each.
_MAX_LINES = 20


@dataclass(frozen=True)
class FileSource:
    """Events from files; `-` is standard input."""

    files: tuple[Path, ...]
    total: int | None = None

    def events(self) -> Iterator[Event | None]:
        """Yield the lines of all files."""
        for path in self.files:
            if str(path) == "-":
                yield from read_lines("standard input", 0)
                continue
            with path.open("rb", buffering=0) as file:
                yield from read_lines(str(path), file.fileno())

    def finish(self) -> None:
        """Do nothing: only sample events have expected totals to write."""


class SampleSource:
    """Sample events of the current hour, and the totals to expect."""

    def __init__(self, events: int, seed: int | None, truth: Path | None) -> None:
        """Choose a random seed unless one is given: few people want to send the same events twice."""
        self.files: tuple[Path, ...] = ()
        self.total: int | None = events
        self._events = events
        self._seed = random.SystemRandom().getrandbits(32) if seed is None else seed
        self._path, self._truth = truth, Truth()

    def events(self) -> Iterator[Event | None]:
        """Yield the events, faults included."""
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        for number, line in enumerate(stream_hour(hour, self._events, self._seed, self._truth), start=1):
            yield Event("sample", number, line)

    def finish(self) -> None:
        """Write the totals to expect, if a file was given for them."""
        if self._path is not None:
            write_truth(self._path, self._truth.as_json())


class _FailedEvents:
    """Events that were not sent: the first ones are shown, and all are written to the file, if there is one."""

    def __init__(self, file: BinaryIO | None) -> None:
        self._file = file
        self._lines: list[str] = []

    def add(self, failure: FailedEvent) -> None:
        """Add an event."""
        if self._file is not None:
            self._file.write(failure.event.line + b"\n")
        if len(self._lines) < _MAX_LINES:
            self._lines.append(f"{failure.event.source}, line {failure.event.number}: not sent: {failure.reason}")

    def show(self, number: int, path: Path | None) -> None:
        """Print the events that were not sent."""
        for line in self._lines:
            ERR.print(line, markup=False, highlight=False, soft_wrap=True)
        if number > len(self._lines):
            ERR.print(f"and {number - len(self._lines):,} more")
        if number:
            hint = f"they are in {path}" if path else "--failed FILE writes them to a file that can be sent again"
            ERR.print(hint, markup=False, highlight=False, soft_wrap=True)


def send_events(
    stream: str, source: FileSource | SampleSource, rate: float | None, per_record: int, key: str, failed: Path | None
) -> int:
    """Send events and print how many were sent; return the exit code."""
    if failed and any(failed.exists() and path.exists() and path.samefile(failed) for path in source.files):
        raise SettingError(
            f"--failed {failed}: is one of the files to send, and would be overwritten; choose another file"
        )
    target = describe_stream(connect(), stream)
    start = time.monotonic()
    with failed.open("wb") if failed else nullcontext() as file:
        failures = _FailedEvents(file)
        producer = Producer(target, rate, failures.add)
        records = as_records(source.events(), key, per_record, target.max_record_bytes)
        try:
            with show_progress("events") as listen:
                count = 0
                for totals in producer.send(records):
                    count = totals.events + totals.failures
                    listen("produce", count, source.total and max(source.total, count + 1))
                listen("produce", count, count)
            source.finish()
        finally:
            _show(producer.totals, time.monotonic() - start)
            failures.show(producer.totals.failures, failed)
    return 1 if producer.totals.failures else 0


def _show(totals: SendTotals, seconds: float) -> None:
    table = Table("shard", "records", title=None)
    for shard, records in sorted(totals.records_by_shard.items()):
        table.add_row(shard, f"{records:,}")
    OUT.print(table)
    OUT.print(
        f"{totals.events:,} events sent in {totals.records:,} records, {totals.bytes / 1e6:,.1f} MB, "
        f"{totals.calls:,} calls, {seconds:,.1f} s: {totals.events / max(seconds, 1e-9):,.0f} events per second; "
        f"{totals.retries:,} records sent again, {totals.failures:,} events failed",
        soft_wrap=True,
    )

"""A stream of objects, and when their rows are in the event tables, seen in the logs of the tables."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil

from isal import igzip

from event_platform.events.catalog import Catalog
from event_platform.events.errors import MissingError
from event_platform.lake.lake import Lake
from event_platform.lake.tables import Table
from event_platform.sample.generate import Truth, stream_hour


@dataclass(frozen=True)
class StreamedObject:
    """An object to land."""

    data: bytes
    events: int  # distinct sound ones: so many rows the event tables and unregistered_events gain


def streamed_object(events: int, number: int, moment: datetime) -> StreamedObject:
    """Generate an object with records of an hour of today. Each number has its own events."""
    truth = Truth()
    lines = b"\n".join(stream_hour(moment.replace(minute=0, second=0, microsecond=0), events, number, truth))
    return StreamedObject(igzip.compress(lines + b"\n", 1), truth.by_date.total())


def firehose_name(moment: datetime) -> str:
    """Return the name that Firehose gives an object that it delivers at a moment."""
    return f"{moment:%Y/%m/%d/%H}/events-1-{moment:%Y-%m-%d-%H-%M-%S}-{uuid.uuid4()}.gz"


class RowCounter:
    """Counts the rows of the event tables and unregistered_events, at the price of a look for the next commit."""

    def __init__(self, lake: Lake, catalog: Catalog) -> None:
        """Begin with the tables as they are."""
        self.tables = [lake.unregistered_events, *map(lake.event_table, catalog.event_types)]
        self._versions = dict[str, int]()
        self._files = dict[tuple[str, str], int]()  # rows by table and path
        for table in self.tables:
            snapshot = table.snapshot()
            self._versions[table.name] = snapshot.version
            self._files |= {(table.name, file.path): file.rows for file in snapshot.files()}
        self._first = sum(self._versions.values())

    @property
    def rows(self) -> int:
        """Rows of all tables, as of the last look."""
        return sum(self._files.values())

    @property
    def commits(self) -> int:
        """Commits since the beginning."""
        return sum(self._versions.values()) - self._first

    def look(self) -> None:
        """Read the commits that have come."""
        for table in self.tables:
            for line in self._new_lines(table):
                action = json.loads(line)
                if added := action.get("add"):
                    self._files[table.name, added["path"]] = json.loads(added["stats"])["numRecords"]
                elif removed := action.get("remove"):
                    self._files.pop((table.name, removed["path"]), None)

    def _new_lines(self, table: Table) -> Iterator[bytes]:
        try:
            while True:
                lines = table.read_commit(self._versions[table.name] + 1).splitlines()
                self._versions[table.name] += 1
                yield from lines
        except MissingError:
            return


@dataclass
class Arrivals:
    """Objects that have landed in turn, and how long it took until the rows of each were in the tables."""

    waiting: list[tuple[float, int]] = field(default_factory=list)  # when each landed; the rows with it
    latencies: list[float] = field(default_factory=list)

    def land(self, moment: float, events: int, rows_before: int) -> None:
        """Note that an object has landed, after others with which the tables have so many rows."""
        before = self.waiting[-1][1] if self.waiting else rows_before
        self.waiting.append((moment, before + events))

    def see(self, moment: float, rows: int) -> None:
        """Note that the tables have so many rows."""
        while self.waiting and self.waiting[0][1] <= rows:
            self.latencies.append(moment - self.waiting.pop(0)[0])


def stream(
    objects: Iterator[StreamedObject],
    minutes: int,
    put: Callable[[str, bytes], None],
    counter: RowCounter,
    every_look: Callable[[], None],
    pause: float = 0.25,
    pace: float = 60,
    patience: float = 900,
) -> tuple[list[float], int, int]:
    """Land an object a minute (every `pace` seconds), and look at the tables, with a pause, until all rows are there.

    Returns the seconds that each object took, how many were still waiting when the last minute was over, and how many
    never came within `patience` seconds.
    """
    arrivals, began, landed, backlog = Arrivals(), time.monotonic(), 0, None
    prepared = next(objects)
    while True:
        now = time.monotonic()
        if landed < minutes and now >= began + landed * pace:
            put(firehose_name(datetime.now(UTC)), prepared.data)
            arrivals.land(time.monotonic(), prepared.events, counter.rows)
            landed += 1
            prepared = next(objects) if landed < minutes else prepared
        if arrivals.waiting:
            counter.look()
        arrivals.see(time.monotonic(), counter.rows)
        every_look()
        ended = now - began - minutes * pace
        if ended >= 0:
            backlog = len(arrivals.waiting) if backlog is None else backlog
            if not arrivals.waiting or ended > patience:
                return arrivals.latencies, backlog, len(arrivals.waiting)
        time.sleep(pause)


def percentile(seconds: Sequence[float], share: float) -> float:
    """Return the smallest of some durations below or at which such a share of them is; infinity without any."""
    ordered = sorted(seconds)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else float("inf")

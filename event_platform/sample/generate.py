"""`event-platform generate`: a landing zone as Firehose would leave it, and its ground truth.

Every hour has its own random numbers, drawn from the seed, so hours can be generated in parallel with the same result.
"""

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from isal import igzip

from event_platform.compute.pool import local_pool
from event_platform.environment import SAMPLE_CATALOG
from event_platform.events.corruption import CorruptionReason
from event_platform.events.event import DuplicateKind
from event_platform.sample.faults import REASONS, corrupt_record, drifted_payload, oversized_record
from event_platform.sample.payloads import payload_pools

#: Records per object, about as many as Firehose would buffer.
_RECORDS_PER_OBJECT = 50_000

#: Records that are generated at a time for a stream (8 MB).
_RECORDS_AT_ONCE = 20_000

_CORRUPT, _REDELIVERED, _CONFLICTING, _LATE, _DRIFTED, _UNREGISTERED = 0.0006, 0.008, 0.0005, 0.004, 0.002, 0.001
_UNREGISTERED_NAMES = ["lesson:teleported", "beta:widget:clicked", "internal_ping"]
_DRIFTING = "lesson:started"
_HOURS = 24


@dataclass(frozen=True)
class Sample:
    """The parameters of a sample."""

    landing: Path
    events: int  # before redeliveries, conflicts and corrupt records
    first_date: date
    days: int
    seed: int


class Truth:
    """Ground truth: totals of a generated landing zone, counted while it is written."""

    def __init__(self) -> None:
        """Start with zero totals."""
        self.reasons: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.by_date: Counter[str] = Counter()  # deduplicated events by created_date
        self.unregistered = 0
        self.registered: set[str] = set()  # names

    def add(self, other: "Truth") -> None:
        """Add the totals of another part."""
        self.reasons.update(other.reasons)
        self.kinds.update(other.kinds)
        self.by_date.update(other.by_date)
        self.unregistered += other.unregistered
        self.registered |= other.registered

    def as_json(self) -> dict[str, Any]:
        """Return the totals in the form of the ledger, for comparison."""
        unique, corrupt = self.by_date.total(), self.reasons.total()
        return {
            "landed": unique + self.kinds.total() + corrupt,
            "sound": unique + self.kinds.total(),
            "corrupt": corrupt,
            "corrupt_by_reason": dict(sorted(self.reasons.items())),
            "deduplicated": unique,
            "duplicates": {kind.value: self.kinds[kind] for kind in DuplicateKind},
            "unregistered": self.unregistered,
            "typed": unique - self.unregistered,
            "event_tables": len(self.registered),
            "deduplicated_by_created_date": dict(sorted(self.by_date.items())),
        }


def generate(sample: Sample, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Write the landing zone on all cores.

    Return its ground truth. `progress` is called with completed and total hours.
    """
    shares = [_share_of_hour(hour) for _ in range(sample.days) for hour in range(_HOURS)]
    total = sum(shares)
    ends = [round(sample.events * sum(shares[: index + 1]) / total) for index in range(len(shares))]
    truth = Truth()
    with local_pool() as pool:
        futures = [
            pool.submit(write_hour, sample, index, end - start)
            for index, (start, end) in enumerate(zip([0, *ends], ends, strict=False))
        ]
        for done, future in enumerate(as_completed(futures), start=1):
            truth.add(future.result())
            progress(done, len(futures))
    return truth.as_json()


def write_hour(sample: Sample, index: int, events: int) -> Truth:
    """Write the objects of one hour."""
    hour = datetime.combine(sample.first_date, datetime.min.time(), UTC) + timedelta(hours=index)
    maker = _HourMaker(sample, hour, index)
    records = maker.records(events)
    for number, start in enumerate(range(0, len(records), _RECORDS_PER_OBJECT)):
        _write_object(
            sample.landing, hour, f"{number:03d}", b"\n".join(records[start : start + _RECORDS_PER_OBJECT]) + b"\n"
        )
    if index == 0:
        _write_object(sample.landing, hour, "large", oversized_record(maker.uuid(), int(hour.timestamp())) + b"\n")
        maker.truth.reasons[CorruptionReason.RECORD_TOO_LARGE.value] += 1
        _write_object(sample.landing, hour, "broken", b"", tail=b"\x1f\x8b\x08 cut in the middle")
        maker.truth.reasons[CorruptionReason.UNREADABLE_OBJECT.value] += 1
        _write_object(sample.landing, hour, "utf-16", '{"event_uuid":"1"}'.encode("utf-16"))
        maker.truth.reasons[CorruptionReason.UNSUPPORTED_FORMAT.value] += 1
    return maker.truth


def stream_hour(hour: datetime, events: int, seed: int, truth: Truth) -> Iterator[bytes]:
    """Yield the records of one hour in the order of arrival, and add them to `truth`.

    Records depend only on seed and hour.
    """
    maker = _HourMaker(Sample(Path(), events, hour.date(), 1, seed), hour, hour.hour, f"{seed}:{hour.isoformat()}")
    maker.truth = truth
    pieces = math.ceil(events / _RECORDS_AT_ONCE)
    ends = [round(events * (piece + 1) / pieces) for piece in range(pieces)]
    for start, end in zip([0, *ends], ends, strict=False):
        yield from maker.records(end - start, start, events)


class _HourMaker:
    """Generates the records of one hour, in the order of arrival."""

    def __init__(self, sample: Sample, hour: datetime, index: int, seed: str | None = None) -> None:
        self.rng = random.Random(seed or f"{sample.seed}:{index}")  # noqa: S311 - a sample, no secret
        self.truth = Truth()
        self._pools = _pools(sample.seed)
        self._start = int(hour.timestamp())
        self._age = index * 3600  # seconds since the stream began: the maximal age of an event
        self._drifting = index >= sample.days * _HOURS * 2 // 3

    def uuid(self) -> str:
        """Return a random UUID, version 4."""
        digits = f"{self.rng.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def records(self, events: int, before: int = 0, in_hour: int | None = None) -> list[bytes]:
        """Return sound records, then redeliveries and conflicts of them, with corrupt records in between.

        They follow `before` other records of an hour with `in_hour` records (by default, `events`).
        """
        rng = self.rng
        names, weights = _weighted_names(tuple(self._pools))
        chosen = rng.choices(names, cum_weights=weights, k=events)
        dates: Counter[int] = Counter()
        records = [
            self._event(name, self._created_at(position, in_hour or events), dates)
            for position, name in enumerate(chosen, before)
        ]
        for day, count in dates.items():
            self.truth.by_date[datetime.fromtimestamp(day * 86400, UTC).date().isoformat()] += count
        again = [records[rng.randrange(events)] for _ in range(int(events * _REDELIVERED + rng.random()))]
        # An original has at most one conflict, because two could be equal to each other.
        conflicts = rng.sample(range(events), int(events * _CONFLICTING + rng.random())) if events else []
        records += again + [records[position][:-1] + b',"resent_by":"retry-2"}' for position in conflicts]
        self.truth.kinds.update(
            {DuplicateKind.REDELIVERY.value: len(again), DuplicateKind.CONFLICT.value: len(conflicts)}
        )
        for _ in range(int(events * _CORRUPT + rng.random())):
            reason = rng.choice(REASONS)
            self.truth.reasons[reason.value] += 1
            records.insert(rng.randrange(len(records) + 1), corrupt_record(reason, self.uuid(), self._start, rng))
        return records

    def _created_at(self, position: int, events: int) -> int:
        moment = self._start + position * 3600 // events
        if self.rng.random() < _LATE and self._age:
            return moment - self.rng.randrange(self._age)
        return moment

    def _event(self, name: str, created_at: int, dates: Counter[int]) -> bytes:
        rng = self.rng
        number = rng.getrandbits(40)
        inside = self._pools[name][number % len(self._pools[name])]
        luck = rng.random()
        if luck < _UNREGISTERED:
            name = _UNREGISTERED_NAMES[number % len(_UNREGISTERED_NAMES)]
            self.truth.unregistered += 1
        else:
            self.truth.registered.add(name)
        if self._drifting and name == _DRIFTING and luck < _UNREGISTERED + _DRIFTED * len(self._pools):
            inside = drifted_payload(inside)
        dates[created_at // 86400] += 1
        return (
            f'{{"event_uuid":"{self.uuid()}","event_name":"{name}","created_at":{created_at},'
            f'"user_id":"usr_{number % 3_000_000:08d}","session_id":"ses_{number:012x}",{inside}}}'
        ).encode()


def _write_object(landing: Path, hour: datetime, name: str, data: bytes, tail: bytes = b"") -> None:
    path = landing / f"{hour:%Y/%m/%d/%H}" / f"events-1-{hour:%Y-%m-%d-%H}-{name}.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(igzip.compress(data, 1, mtime=0) + tail)


@lru_cache(maxsize=1)
def _pools(seed: int) -> dict[str, list[str]]:
    return payload_pools(SAMPLE_CATALOG, seed)


@lru_cache(maxsize=1)
def _weighted_names(names: tuple[str, ...]) -> tuple[list[str], list[float]]:
    """Return shuffled names with cumulative weights. A few types make up most of a stream (Zipf)."""
    shuffled = random.Random(0).sample(names, len(names))  # noqa: S311 - a sample, no secret
    return shuffled, list(accumulate(1 / rank**0.8 for rank in range(1, len(names) + 1)))


def _share_of_hour(hour: int) -> float:
    """Return the weight of an hour. The busiest hour, in the evening, has four times the events of the quietest."""
    return 1.0 - 0.6 * math.cos((hour - 7) * math.pi / 12)


def write_truth(path: Path, truth: dict[str, Any]) -> None:
    """Write the ground truth beside landing, not into it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")

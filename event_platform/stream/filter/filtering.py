"""Finds redelivered events in stream records, and returns the records without them.

An event is dropped if its id and body have passed in another stream record, or earlier in the same one, and it is in
the dead-letter queue. Uncertain events pass, and the lake decides.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime

from event_platform.events.identity import IdentifiedEvent
from event_platform.stream.filter.dead_letters import DeadLetter, DeadLetterQueue, batches
from event_platform.stream.filter.deadline import map_parallel
from event_platform.stream.filter.deliveries import StreamRecord, deliver_response, drop_response
from event_platform.stream.filter.parts import PartReader, Parts
from event_platform.stream.filter.seen import SeenEvents, Sighting, digest_of

#: Longest wait of an invocation for the table, and for the queue.
_CLAIM_SECONDS, _SEND_SECONDS = 20.0, 10.0

#: Seconds of an invocation that are reserved for its answer.
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Occurrence:
    """An event of an invocation, and its position."""

    record: int
    part: int
    number: int  # index of the event in the stream record, which may contain it twice
    name: str  # of the stream record
    arrived_at: float  # of the stream record, Unix time
    event: IdentifiedEvent
    digest: bytes


@dataclass
class Totals:
    """Outcomes of the events of an invocation. `undecided` events passed because a service did not answer."""

    events: int = 0
    dropped: int = 0
    undecided: int = 0


@dataclass(frozen=True)
class FilterAnswer:
    """The answer of an invocation, a result for each record."""

    results: list[dict[str, str]]
    totals: Totals


@dataclass(frozen=True)
class Filter:
    """Decides on the records of an invocation."""

    reader: PartReader
    seen: SeenEvents
    queue: DeadLetterQueue
    pool: Executor

    def filter(self, records: Sequence[StreamRecord], remaining: Callable[[], float]) -> FilterAnswer:
        """Return the records to deliver. `remaining` returns the seconds left of the invocation."""
        record_parts = [self._parts(record) for record in records]
        occurrences = list(_occurrences(records, record_parts))
        totals = Totals(events=len(occurrences))
        redeliveries = self._find_redeliveries(occurrences, remaining, totals)
        whole_parts = _whole_parts(occurrences, redeliveries, record_parts)
        dropped_parts = self._send(whole_parts, remaining, totals)
        results = [
            _result(record, parts, dropped_parts.get(number, set()))
            for number, (record, parts) in enumerate(zip(records, record_parts, strict=True))
        ]
        return FilterAnswer(results, totals)

    def _parts(self, record: StreamRecord) -> Parts:
        data = record.data
        if record.name is None or record.arrived_at is None or data is None:
            return Parts()
        return self.reader.read(data, record.arrived_at)

    def _find_redeliveries(
        self, occurrences: Sequence[_Occurrence], remaining: Callable[[], float], totals: Totals
    ) -> dict[_Occurrence, Sighting]:
        """Return the occurrences whose id passes in another one. The first occurrence of an id claims the id."""
        by_uuid: dict[str, list[_Occurrence]] = {}
        for occurrence in occurrences:
            by_uuid.setdefault(occurrence.event.event_uuid, []).append(occurrence)
        groups = list(by_uuid.values())
        seconds = min(_CLAIM_SECONDS, remaining() - _ANSWER_SECONDS)
        sightings = map_parallel(self.pool, self._claim, [group[0] for group in groups], seconds)
        redeliveries: dict[_Occurrence, Sighting] = {}
        for group, sighting in zip(groups, sightings, strict=True):
            if sighting is None:
                totals.undecided += len(group)
            else:
                redeliveries.update((copy, sighting) for copy in _copies(group, sighting))
        return redeliveries

    def _claim(self, occurrence: _Occurrence) -> Sighting:
        return self.seen.claim(occurrence.event.event_uuid, occurrence.digest, occurrence.name)

    def _send(
        self,
        parts: dict[tuple[int, int], list[tuple[_Occurrence, Sighting]]],
        remaining: Callable[[], float],
        totals: Totals,
    ) -> dict[int, set[int]]:
        """Send the events of parts to the queue. Return, by record, the parts whose events are all in the queue."""
        entries = [(key, event, sighting) for key, events in parts.items() for event, sighting in events]
        letters = [_letter(occurrence, sighting) for _, occurrence, sighting in entries]
        seconds = min(_SEND_SECONDS, remaining() - _ANSWER_SECONDS)
        answers = map_parallel(self.pool, self.queue.send, list(batches(letters)), seconds)
        sent = frozenset[int]().union(*(answer for answer in answers if answer is not None))
        unsent = {key for number, (key, _, _) in enumerate(entries) if number not in sent}
        totals.dropped += sum(len(events) for key, events in parts.items() if key not in unsent)
        totals.undecided += sum(len(events) for key, events in parts.items() if key in unsent)
        sent_parts: dict[int, set[int]] = {}
        for record, part in parts.keys() - unsent:
            sent_parts.setdefault(record, set()).add(part)
        return sent_parts


def _occurrences(records: Sequence[StreamRecord], record_parts: Sequence[Parts]) -> Iterable[_Occurrence]:
    for record_index, (record, parts) in enumerate(zip(records, record_parts, strict=True)):
        events = [(part_index, event) for part_index, part in enumerate(parts.parts) for event in part.events]
        for number, (part_index, event) in enumerate(events):
            name, arrived_at = record.name or "", record.arrived_at or 0
            yield _Occurrence(record_index, part_index, number, name, arrived_at, event, digest_of(event.body))


def _letter(occurrence: _Occurrence, survivor: Sighting) -> DeadLetter:
    return DeadLetter(
        event_uuid=occurrence.event.event_uuid,
        record=occurrence.name,
        number=occurrence.number,
        arrived_at=datetime.fromtimestamp(occurrence.arrived_at, UTC),
        survivor=survivor.record,
        survivor_seen_at=datetime.fromtimestamp(survivor.seen_at, UTC),
        body=occurrence.event.body.decode("utf-8", "surrogateescape"),
    )


def _copies(group: Sequence[_Occurrence], sighting: Sighting) -> Iterable[_Occurrence]:
    """Yield the occurrences of an id that have the body of the survivor, except the survivor."""
    copies = [copy for copy in group if copy.digest == sighting.digest]
    survivor = next((copy for copy in copies if copy.name == sighting.record), None)
    return (copy for copy in copies if copy is not survivor)


def _whole_parts(
    occurrences: Sequence[_Occurrence], redeliveries: dict[_Occurrence, Sighting], record_parts: Sequence[Parts]
) -> dict[tuple[int, int], list[tuple[_Occurrence, Sighting]]]:
    """Return the redelivered events by record and part, of parts that contain nothing else."""
    parts: dict[tuple[int, int], list[tuple[_Occurrence, Sighting]]] = {}
    for occurrence in occurrences:
        if occurrence in redeliveries:
            parts.setdefault((occurrence.record, occurrence.part), []).append((occurrence, redeliveries[occurrence]))
    return {
        (record, part): events
        for (record, part), events in parts.items()
        if len(events) == len(record_parts[record].parts[part].events)
    }


def _result(record: StreamRecord, parts: Parts, dropped_parts: set[int]) -> dict[str, str]:
    if not dropped_parts:
        return deliver_response(record)
    return (
        drop_response(record)
        if parts.is_empty_without(dropped_parts)
        else deliver_response(record, parts.without(dropped_parts))
    )

"""A sample of a stream → an envelope that fits, with the evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import msgspec

from event_platform.events.envelope import Envelope, RecordsPath
from event_platform.events.proposing.fields import fields_of
from event_platform.events.proposing.ids import IdFields, rank_ids
from event_platform.events.proposing.names import NameFields, rank_names
from event_platform.events.proposing.times import TimeField, rank_times
from event_platform.events.proposing.wrapping import find_records
from event_platform.events.wrappers import open_reader, read_objects

#: Two choices whose scores differ by less are equally good.
_ALIKE = 0.02


@dataclass(frozen=True)
class SampledText:
    """The beginning of a landed object: its arrival date and its text."""

    arrival_date: date
    data: bytes


@dataclass(frozen=True)
class Proposal:
    """Candidates for an envelope: the choices for each part, the best first."""

    records: RecordsPath | None
    count: int  # records of the sample, the same one counted once
    unread: int  # records that are no JSON object
    ids: Sequence[IdFields]
    names: Sequence[NameFields]
    times: Sequence[TimeField]

    def envelope(self, uuid: IdFields, name: NameFields, time: TimeField, constant: str) -> Envelope:
        """Return the envelope for some choices. `constant` is the name if the records have none."""
        return Envelope(
            event_uuid=tuple(field.path for field in uuid.fields),
            event_name=tuple(field.path for field in name.fields),
            created_at=time.field.path,
            unit=time.unit,
            is_hashed=uuid.is_hashed,
            name_prefix="" if name.fields else constant,
            time_format=time.time_format,
            records=self.records,
        )

    @cached_property
    def usable_times(self) -> list[TimeField]:
        """The times that can be read."""
        return [time for time in self.times if time.fault is None]


def propose(sample: Sequence[SampledText]) -> Proposal:
    """Propose an envelope for a sample. Parts of the envelope without a candidate have no choices."""
    objects, days, unread = _objects(sample)
    records = find_records(objects, days)
    if records is not None:
        objects, days, unread = _unwrapped(sample, records)
    fields = fields_of(objects) if objects else []
    times = rank_times(fields, days)
    of_time = [time.field for time in times]
    ids = rank_ids(fields, of_time)
    return Proposal(records, len(objects), unread, ids, rank_names(fields, [*ids[0].fields, *of_time]), times)


def count_equal(choices: Sequence[IdFields] | Sequence[NameFields] | Sequence[TimeField]) -> int:
    """Return how many of the first choices are equally good."""
    return sum(choice.score >= choices[0].score - _ALIKE for choice in choices) if choices else 0


def _objects(sample: Sequence[SampledText]) -> tuple[list[Mapping[str, Any]], list[date], int]:
    """Return the distinct objects of a sample, their days of arrival, and how many others there are."""
    return _decoded([(text, item.arrival_date) for item in sample for text in read_objects(item.data)])


def _unwrapped(sample: Sequence[SampledText], records: RecordsPath) -> tuple[list[Mapping[str, Any]], list[date], int]:
    reader = open_reader(Envelope(records=records))
    texts: list[tuple[str | None, date]] = []
    for item in sample:
        frame = reader.read(item.data)
        texts.extend(
            (body if fault is None else None, item.arrival_date)
            for body, fault in frame.select("body", "fault").iter_rows()
        )
    return _decoded(texts)


def _decoded(texts: Sequence[tuple[str | None, date]]) -> tuple[list[Mapping[str, Any]], list[date], int]:
    decoded: dict[str, tuple[Mapping[str, Any], date]] = {}
    unread = 0
    for text, day in texts:
        if text is None:
            unread += 1
        elif text not in decoded:
            try:
                decoded[text] = msgspec.json.decode(text, type=dict[str, Any]), day
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                unread += 1
    return [record for record, _ in decoded.values()], [day for _, day in decoded.values()], unread

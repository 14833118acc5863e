"""The outcome of reading a stream with an envelope: sound records, corrupt ones by reason, and doubts about ids.

Texts use the field names of the envelope.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import polars as pl

from event_platform.events.corruption import CorruptionReason
from event_platform.events.envelope import NUMBER, Envelope, FieldPath, TimeUnit, unit_by_magnitude
from event_platform.events.envelope_fields import raw_at
from event_platform.events.moments import describe_units
from event_platform.events.records import without_lone_surrogates

#: Characters of an example, of which three of each text are shown.
_EXAMPLE = 80
_VALUE = re.compile(r'(?<=[:\[,])(\s*")((?:[^"\\]|\\.){3})(?:[^"\\]|\\.)+(?:"(?!\s*:)|$)')

#: Number of events whose ids are examined, and number of events per piece whose times are.
_IDS, _TIMES = 5_000_000, 1_000

#: Minimum share of different records with their own id; below it, the field may not be an id.
_DISTINCT = 0.99


@dataclass
class ReadCounts:
    """Counts of records that were read and classified."""

    envelope: Envelope
    records: int = 0
    reasons: Counter[CorruptionReason] = field(default_factory=Counter)
    examples: dict[CorruptionReason, str] = field(default_factory=dict)
    _ids: list[pl.DataFrame] = field(default_factory=list)
    _units: Counter[TimeUnit] = field(default_factory=Counter)

    def add(self, rows: pl.DataFrame) -> None:
        """Add the result of `classify`."""
        self.records += rows.height
        corrupt = rows.filter(pl.col("corruption_reason").is_not_null())
        first = pl.col("body").drop_nulls().first()
        for name, count, body in corrupt.group_by("corruption_reason").agg(pl.len(), first).iter_rows():
            reason = next(known for known in CorruptionReason if known == name)
            self.reasons[reason] += count
            self.examples.setdefault(reason, mask_record(body or ""))
        sound = rows.filter(pl.col("corruption_reason").is_null())
        if self.envelope.unit is TimeUnit.AUTO:
            self._units.update(_units(self.envelope.created_at, sound["body"].head(_TIMES)))
        if sum(frame.height for frame in self._ids) < _IDS:
            self._ids.append(sound.select(uuid=pl.col("event_uuid").hash(), body=pl.col("body").hash()))

    @property
    def sound(self) -> int:
        """How many records are sound."""
        return self.records - self.reasons.total()

    @property
    def is_mostly_sound(self) -> bool:
        """Whether at least half of them are."""
        return 2 * self.sound >= self.records

    def ranked(self) -> Iterator[tuple[CorruptionReason, int, str]]:
        """Yield reason, records and an example, the most frequent first."""
        for reason, count in self.reasons.most_common():
            yield reason, count, self.examples[reason]

    def doubt_of_ids(self) -> str | None:
        """Describe many different records with the same ids; None if there are none."""
        if not self._ids:
            return None
        both = pl.concat(self._ids)
        ids, records = both["uuid"].n_unique(), both.n_unique()
        if ids >= _DISTINCT * records:
            return None
        name = name_of_id(self.envelope)
        return (
            f"{name}: {ids:,} ids for {records:,} different records: is {name} an id? Of records with the same id, "
            "all but the first are duplicates"
        )

    def doubt_of_units(self) -> str | None:
        """Describe numbers that `auto` reads in several units; None if there are none."""
        doubt = describe_units(self._units)
        return f"{'.'.join(self.envelope.created_at)}: {doubt}; name the unit instead of auto" if doubt else None


def name_of_id(envelope: Envelope) -> str:
    """Return the fields or the hash behind the envelope's id."""
    return _names(envelope.event_uuid) or "the hash of the body"


def explain(reason: CorruptionReason, envelope: Envelope) -> str:
    """Return the meaning of a reason, with the field names of the stream."""
    uuid, name, moment = name_of_id(envelope), _names(envelope.event_name), _names([envelope.created_at])
    meanings = {
        CorruptionReason.MISSING_EVENT_UUID: f"{uuid} is absent, null or empty",
        CorruptionReason.INVALID_EVENT_UUID: f"{uuid} is neither a text nor an integer, or is too long",
        CorruptionReason.MISSING_EVENT_NAME: f"{name} is absent, null or empty",
        CorruptionReason.INVALID_EVENT_NAME: f"{name} is neither a text nor an integer, too long, or not printable",
        CorruptionReason.MISSING_CREATED_AT: f"{moment} is absent or null",
        CorruptionReason.INVALID_CREATED_AT: f"{moment} is not a time in the form of the envelope ({_time(envelope)})",
        CorruptionReason.CREATED_AT_OUT_OF_RANGE: f"{moment} is too early, or more than a day after arrival",
        CorruptionReason.MISSING_RECORDS: f"there is nothing at {_records(envelope)}",
    }
    return meanings.get(reason, reason.meaning.rstrip("."))


def _units(path: FieldPath, bodies: pl.Series) -> Iterator[TimeUnit]:
    """Yield the unit that `auto` takes for each number."""
    for body in bodies:
        fields = msgspec.json.decode(without_lone_surrogates(body.encode()), type=dict[str, msgspec.Raw])
        text = bytes(raw_at(fields, path) or b"").decode().strip('"')
        if NUMBER.match(text):
            yield unit_by_magnitude(float(text))


def mask_record(text: str) -> str:
    """Return the beginning of a record with its texts cut: enough to see the fault, without identifying a person."""
    masked = _VALUE.sub(r'\1\2…"', text[: 20 * _EXAMPLE])
    return masked if len(masked) <= _EXAMPLE else f"{masked[:_EXAMPLE]}…"


def _names(paths: tuple[FieldPath, ...] | list[FieldPath]) -> str:
    return " and ".join(".".join(path) for path in paths)


def _time(envelope: Envelope) -> str:
    return envelope.time_format or envelope.unit.value


def _records(envelope: Envelope) -> str:
    steps = envelope.records.steps if envelope.records else ()
    return ".".join(f"{key}{'[]' if is_array else ''}" for key, is_array in steps)

"""The bytes of one object → its records, with the envelope fields or the fault of each.

Many lines are decoded together. If that fails, they are halved until the malformed lines are isolated, so that a
damaged record does not slow down the others. Malformed lines are split where one object follows another, and decoded
again; the remaining ones are damaged, or records over several lines (see `damage`).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate, compress
from typing import Any

import msgspec
import polars as pl

from event_platform.events.corruption import (
    KEPT_BYTES_OF_OVERSIZED_RECORD,
    MAX_RECORD_BYTES,
    CorruptionReason,
    fault_of_no_object,
)
from event_platform.events.damage import DamageFinder
from event_platform.events.envelope import Envelope, FieldPath
from event_platform.events.envelope_columns import EnvelopeColumns, Fields
from event_platform.events.envelope_fields import Values
from event_platform.events.records import (
    WHITESPACE,
    cut_at_braces,
    cut_at_separators,
    decode_around_damage,
    without_byte_order_mark,
    without_lone_surrogates,
)

#: Lines decoded together: enough to make the cost of a call negligible, few enough that a malformed line slows down few
#: others.
_LINES_AT_ONCE = 128

#: Number of parts when lines are split to find those that are not UTF-8: six rounds find one among a billion.
_PARTS = 32

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True)
class _Scanned:
    """Pieces of an object after decoding: the sound ones with their fields, and the malformed ones."""

    pieces: list[bytes]  # all
    texts: pl.Series  # all; null where not UTF-8
    sound: pl.Series  # indices of sound pieces
    bodies: pl.Series
    heads: list[Any]
    malformed: list[int]  # indices of the others, blank ones excepted


class EnvelopeReader:
    """Reads records with one envelope. Holds compiled decoders: create it once, use it for many objects."""

    def __init__(
        self,
        envelope: Envelope,
        fields: Fields | None = None,
        record_bytes: int = MAX_RECORD_BYTES,
        *,
        keeps_bytes: bool = False,
    ) -> None:
        """Compile the paths of `envelope`, unless other `fields` distinguish a record from damage.

        A reader that `keeps_bytes` adds a column `written`: the bytes of records that are not UTF-8, null for others.
        """
        self._fields = fields or EnvelopeColumns(envelope)
        self._record_bytes = record_bytes
        self._keeps_bytes = keeps_bytes

    def read(self, data: bytes) -> pl.DataFrame:
        """Return one row per record, in order: body, event_uuid, event_name, created_at, fault (all nullable).

        `created_at` is Float64 as written, or String if the envelope's unit is not a Unix time. A value of a wrong type
        is WRONG_TYPE for event_uuid and event_name, and NaN (or "") for created_at.
        """
        scanned = self._scan(without_byte_order_mark(data).split(b"\n"))
        sound = self._frame_of(scanned)
        return self._with_neighbourhoods(scanned, sound) if scanned.malformed else sound

    def fault_of(self, record: bytes) -> CorruptionReason | None:
        """Return why the bytes of one record are not a JSON object of valid size; None if they are."""
        return self._read_record(without_lone_surrogates(record))[0]

    def _scan(self, lines: list[bytes]) -> _Scanned:
        """Decode the lines that begin with `{` and end with `}`. Lines that fail are malformed."""
        written = _texts(pl.Series(lines, dtype=pl.Binary))
        texts = written.str.strip_chars(WHITESPACE)
        whole = texts.str.starts_with("{") & texts.str.ends_with("}") & (texts.str.len_bytes() <= self._record_bytes)
        whole = whole.fill_null(value=False)  # not UTF-8: the decoder would not notice in fields that it skips
        numbers = whole.arg_true()
        objects = lines if len(numbers) == len(lines) else list(compress(lines, whole.to_list()))
        heads: list[Any] = []
        damaged: list[int] = []
        for start in range(0, len(objects), _LINES_AT_ONCE):
            piece = objects[start : start + _LINES_AT_ONCE]
            scanned = decode_around_damage(self._decode, piece)
            heads.extend(scanned.values())
            damaged.extend(start + number for number in range(len(piece)) if number not in scanned)
        sound = numbers
        if damaged:
            sound = numbers.filter(~pl.int_range(len(numbers), eager=True).is_in(damaged))
        others = {*(~whole).arg_true().to_list(), *numbers.gather(damaged).to_list()}
        malformed = [number for number in sorted(others) if lines[number].strip()]
        return _Scanned(lines, written, sound, texts.gather(sound), heads, malformed)

    def _with_neighbourhoods(self, scanned: _Scanned, sound: pl.DataFrame) -> pl.DataFrame:
        """Read the neighbourhoods of malformed lines closely, and merge their records with the others."""
        count = len(scanned.pieces)
        lines = _neighbourhoods(scanned.malformed, scanned.sound.filter(_is_event(sound)), count)
        if len(lines) == count:
            return self._read_closely(scanned).drop("line")
        near = self._read_closely(self._scan([scanned.pieces[number] for number in lines]))
        numbers = pl.Series(lines, dtype=pl.UInt32)
        near = near.with_columns(line=numbers.gather(near["line"]))
        far = sound.with_columns(line=scanned.sound.cast(pl.UInt32)).filter(~pl.col("line").is_in(numbers.implode()))
        return pl.concat([far, near]).sort("line", maintain_order=True).drop("line")

    def _read_closely(self, scanned: _Scanned) -> pl.DataFrame:
        """Return the records of lines that include malformed ones, and the `line` in which each begins."""
        lines = scanned.pieces
        starts = line_starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
        frames = [self._frame_of(scanned).with_columns(start=_first_characters(scanned, starts))]
        for cut in (cut_at_braces, cut_at_separators):
            if scanned.malformed:
                scanned, starts = self._cut(scanned, starts, cut)
                frames.append(self._frame_of(scanned).with_columns(start=_first_characters(scanned, starts)))
        by_themselves = pl.concat(frames).sort("start")
        malformed = {starts[number]: scanned.pieces[number] for number in scanned.malformed}
        if malformed:
            by_themselves = self._with_damaged(b"\n".join(lines), malformed, by_themselves)
        line = pl.Series(line_starts).search_sorted(by_themselves["start"], side="right") - 1
        return by_themselves.drop("start").with_columns(line=line)

    def _cut(
        self, scanned: _Scanned, starts: list[int], cut: Callable[[bytes], tuple[list[int], list[bytes]]]
    ) -> tuple[_Scanned, list[int]]:
        """Split the malformed pieces and decode the parts. Return them, and the position of each part."""
        places: list[int] = []
        pieces: list[bytes] = []
        for number in scanned.malformed:
            within, parts = cut(scanned.pieces[number])
            places.extend(map(starts[number].__add__, within))
            pieces.extend(parts)
        return self._scan(pieces), places

    def _with_damaged(self, data: bytes, malformed: Mapping[int, bytes], by_themselves: pl.DataFrame) -> pl.DataFrame:
        """Add records over several lines and damaged ones. `malformed` has the pieces by their first byte."""
        readable, mended = _readable(data, malformed)
        starts, events = by_themselves["start"], by_themselves["start"].filter(_is_event(by_themselves))
        mended_events = [start for start, piece in mended.items() if self._is_event(piece)]
        look = DamageFinder(readable, starts.to_list(), sorted([*events, *mended_events]), self._is_event)
        rows: list[tuple[Any, ...]] = []
        swallowed: list[int] = []
        for start, end in look.records(list(malformed)):
            rows.append((start, *self._record(data[start:end].strip(), readable[start:end].strip())))
            swallowed.extend(look.contained_starts(start, end))
        if not rows:
            return by_themselves
        places, texts, faults, values, written = zip(*rows, strict=True)
        by_path = {path: [value.get(path) for value in values] for path in self._fields.paths}
        frame = self._frame(pl.Series(texts, dtype=pl.String), by_path, list(faults), list(written))
        frame = frame.with_columns(start=pl.Series(places, dtype=pl.Int64))
        separate = by_themselves.filter(~starts.is_in(swallowed)) if swallowed else by_themselves
        return pl.concat([separate, frame]).sort("start")

    def _decode(self, lines: list[bytes]) -> list[Any] | None:
        """Decode lines. None if one is not JSON or has an envelope field of a wrong type."""
        try:
            return self._fields.decoder.decode_lines(b"\n".join(lines))
        except (msgspec.MsgspecError, RecursionError):
            return None

    def _record(self, written: bytes, readable: bytes) -> tuple[Any, ...]:
        """Return text, fault, envelope values, and bytes if they are not UTF-8, of a record.

        `readable` is `written` without half surrogate pairs.
        """
        fault, values = self._read_record(readable, mended=written != readable)
        if fault is CorruptionReason.RECORD_TOO_LARGE:
            written = written[:KEPT_BYTES_OF_OVERSIZED_RECORD]
        raw = written if fault is CorruptionReason.NOT_UTF8 else None
        return written.decode("utf-8", "backslashreplace"), fault, values, raw

    def _read_record(
        self, record: bytes, *, mended: bool = False
    ) -> tuple[CorruptionReason | None, Mapping[FieldPath, Any]]:
        """Return fault and envelope values of a record; no values if it has a fault."""
        if len(record) > self._record_bytes:
            return CorruptionReason.RECORD_TOO_LARGE, {}
        try:
            record.decode()
            return None, self._fields.of_record(_FIELDS.decode(record), mended=mended)
        except UnicodeDecodeError:
            return CorruptionReason.NOT_UTF8, {}
        except msgspec.ValidationError:
            return fault_of_no_object(record), {}
        except (msgspec.MsgspecError, RecursionError):
            return CorruptionReason.NOT_JSON, {}

    def _is_event(self, record: bytes) -> bool:
        """Return whether a text is an object that has all envelope fields, valid or not."""
        fault, values = self._read_record(record)
        return fault is None and self._fields.is_whole(values)

    def _frame_of(self, scanned: _Scanned) -> pl.DataFrame:
        return self._frame(scanned.bodies, self._fields.of_structs(scanned.heads), None)

    def _frame(
        self,
        bodies: pl.Series,
        values: Values,
        faults: list[str | None] | None,
        written: list[bytes | None] | None = None,
    ) -> pl.DataFrame:
        fault = pl.Series("fault", faults or [None] * len(bodies), dtype=pl.String)
        frame = pl.DataFrame({"body": bodies, **self._fields.columns(values, bodies), "fault": fault})
        if self._keeps_bytes:
            frame = frame.with_columns(written=pl.Series(written or [None] * len(bodies), dtype=pl.Binary))
        # A record that is not JSON has no id and no name, even if these are not read from fields.
        return (
            frame.with_columns(pl.when(fault.is_null()).then(pl.col("event_uuid", "event_name"))) if faults else frame
        )


def _is_event(records: pl.DataFrame) -> pl.Series:
    """Return which records have all envelope fields, valid or not."""
    return records.select(pl.all_horizontal(pl.col("event_uuid", "event_name", "created_at").is_not_null())).to_series()


def _neighbourhoods(malformed: list[int], events: pl.Series, count: int) -> list[int]:
    """Return the indices of malformed lines and of the lines after each, up to and including the next of `events`.

    An event always ends the damage before it, so later lines are not affected. There are `count` lines.
    """
    ends = events.extend_constant(count, 1)
    ends = ends.gather(ends.search_sorted(pl.Series(malformed, dtype=events.dtype)))
    lines: list[int] = []
    for first, end in zip(malformed, ends, strict=True):
        lines.extend(range(max(first, lines[-1] + 1 if lines else 0), min(end + 1, count)))
    return lines


def _first_characters(scanned: _Scanned, starts: list[int]) -> pl.Series:
    """Return the byte at which each sound piece begins, blanks skipped. `starts` has the first byte of all pieces."""
    places = pl.Series(starts, dtype=pl.Int64).gather(scanned.sound)
    texts = scanned.texts.gather(scanned.sound)
    if texts.str.len_bytes().sum() == scanned.bodies.str.len_bytes().sum():
        return places
    return places + texts.str.len_bytes() - texts.str.strip_chars_start(WHITESPACE).str.len_bytes()


def _readable(data: bytes, malformed: Mapping[int, bytes]) -> tuple[bytes, dict[int, bytes]]:
    """Replace lone surrogates in malformed pieces. Return the bytes of the object, and the changed pieces."""
    pieces = {start: without_lone_surrogates(piece) for start, piece in malformed.items()}
    mended = {start: piece for start, piece in pieces.items() if piece != malformed[start]}
    if not mended:
        return data, mended
    result = bytearray(data)
    for start, piece in mended.items():
        result[start : start + len(piece)] = piece
    return bytes(result), mended


def _texts(lines: pl.Series) -> pl.Series:
    """Return lines as texts; null if not UTF-8. Lines that are not UTF-8 are found by halving."""
    try:
        return lines.cast(pl.String)
    except pl.exceptions.ComputeError:
        if len(lines) == 1:
            return pl.Series([None], dtype=pl.String)
        step = math.ceil(len(lines) / _PARTS)
        return pl.concat([_texts(lines[start : start + step]) for start in range(0, len(lines), step)])

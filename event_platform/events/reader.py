"""The bytes of one object → its records, with the envelope fields of each and the fault of those that have one.

Many lines at a time. Only where that fails does the reader look closer, at fewer and fewer lines until the damaged ones
stand alone: a damaged record costs its neighbours nothing. Those are cut where objects follow each other, and read
alike; what is left then is more than a line, or damaged.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate, compress
from typing import Any

import msgspec
import polars as pl

from event_platform.events.closer_look import CloserLook
from event_platform.events.envelope import Envelope
from event_platform.events.envelope_values import ANYTHING, FIELDS, floats, joined, struct_of, value_at, values_at
from event_platform.events.event import KEPT_BYTES_OF_OVERSIZED_RECORD, MAX_RECORD_BYTES, CorruptionReason
from event_platform.events.records import (
    NO_CHARACTER,
    WHITESPACE,
    cut_at_braces,
    cut_at_separators,
    decode_around_damage,
    without_byte_order_mark,
    without_lone_surrogates,
)

#: Stands for a name that is there but is no text; no valid name holds it.
NAME_OF_WRONG_TYPE = "\0"

#: Few enough that a damaged line sends little to the slow path, many enough that the call itself costs nothing.
_LINES_AT_ONCE = 128

#: Into how many parts lines are cut to find those that are not UTF-8: a sixth look finds one among a billion.
_PARTS = 32

#: Stands for a text that holds half a surrogate pair: it cannot be stored, and so it is no text.
_NO_TEXT = object()


@dataclass(frozen=True)
class _Scanned:
    """The pieces that are sound, with what was decoded of each; and the others, which want a closer look."""

    pieces: list[bytes]  # all of them
    texts: pl.Series  # the same, null where they are not UTF-8
    sound: pl.Series  # numbers of the sound pieces
    bodies: pl.Series
    heads: list[Any]
    malformed: list[int]  # numbers of the others, without those that are blank


class EnvelopeReader:
    """Reads the records of a stream with one envelope. Holds compiled decoders: make one, use it for many objects."""

    def __init__(self, envelope: Envelope) -> None:
        """Compile the paths of `envelope` into a decoder that skips every other field."""
        self._iso8601 = envelope.unit.is_text
        self._paths = [envelope.event_uuid, *envelope.event_name, envelope.created_at]
        moment = str if self._iso8601 else int | float
        kinds = [*[str] * (len(self._paths) - 1), moment]
        self._decoder = msgspec.json.Decoder(struct_of(dict(zip(self._paths, kinds, strict=True))))

    def read(self, data: bytes) -> pl.DataFrame:
        """Return one row for each record, in order: body, event_uuid, event_name, created_at, fault (all nullable).

        `created_at` is Float64 as written, or String where the unit is ISO 8601. A value of a wrong type is null
        for event_uuid, `NAME_OF_WRONG_TYPE` for event_name and NaN (or "") for created_at.
        """
        scanned = self._scan(without_byte_order_mark(data).split(b"\n"))
        sound = self._frame_of(scanned)
        return self._with_neighbourhoods(scanned, sound) if scanned.malformed else sound

    def _scan(self, lines: list[bytes]) -> _Scanned:
        """Decode the lines that are an object from end to end, many at once, and less where one is damaged."""
        written = _texts(pl.Series(lines, dtype=pl.Binary))
        texts = written.str.strip_chars(WHITESPACE)
        whole = texts.str.starts_with("{") & texts.str.ends_with("}") & (texts.str.len_bytes() <= MAX_RECORD_BYTES)
        whole = whole.fill_null(value=False)  # null is what is not UTF-8: the decoder does not look at fields it skips
        numbers = whole.arg_true()
        objects = lines if len(numbers) == len(lines) else list(compress(lines, whole.to_list()))
        heads: list[Any] = []
        damaged: list[int] = []
        for start in range(0, len(objects), _LINES_AT_ONCE):
            piece = objects[start : start + _LINES_AT_ONCE]
            found = decode_around_damage(self._decode, piece)
            heads.extend(found.values())
            damaged.extend(start + number for number in range(len(piece)) if number not in found)
        sound = numbers
        if damaged:
            sound = numbers.filter(~pl.int_range(len(numbers), eager=True).is_in(damaged))
        others = {*(~whole).arg_true().to_list(), *numbers.gather(damaged).to_list()}
        malformed = [number for number in sorted(others) if lines[number].strip()]
        return _Scanned(lines, written, sound, texts.gather(sound), heads, malformed)

    def _with_neighbourhoods(self, scanned: _Scanned, sound: pl.DataFrame) -> pl.DataFrame:
        """Read malformed lines, and those that they may belong together with, more closely; put them in between."""
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
        """Return the records of lines, malformed ones among them, and the `line` in which each of them begins."""
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
            by_themselves = self._with_stretches(b"\n".join(lines), malformed, by_themselves)
        line = pl.Series(line_starts).search_sorted(by_themselves["start"], side="right") - 1
        return by_themselves.drop("start").with_columns(line=line)

    def _cut(
        self, scanned: _Scanned, starts: list[int], cut: Callable[[bytes], tuple[list[int], list[bytes]]]
    ) -> tuple[_Scanned, list[int]]:
        """Cut the malformed pieces into smaller ones; return these, and where they begin."""
        places: list[int] = []
        pieces: list[bytes] = []
        for number in scanned.malformed:
            within, parts = cut(scanned.pieces[number])
            places.extend(map(starts[number].__add__, within))
            pieces.extend(parts)
        return self._scan(pieces), places

    def _with_stretches(self, data: bytes, malformed: Mapping[int, bytes], by_themselves: pl.DataFrame) -> pl.DataFrame:
        """Put in between what is more than a piece, or damaged; `malformed` is by the place that it begins at."""
        readable, mended = _readable(data, malformed)
        starts, events = by_themselves["start"], by_themselves["start"].filter(_is_event(by_themselves))
        mended_events = [start for start, piece in mended.items() if self._is_event(piece)]
        look = CloserLook(readable, starts.to_list(), sorted([*events, *mended_events]), self._is_event)
        rows: list[tuple[Any, ...]] = []
        swallowed: list[int] = []
        for start, end in look.records(list(malformed)):
            rows.append((start, *self._record(data[start:end].strip(), readable[start:end].strip())))
            swallowed.extend(look.swallowed(start, end))
        if not rows:
            return by_themselves
        places, texts, faults, *columns = zip(*rows, strict=True)
        frame = self._frame(pl.Series(texts, dtype=pl.String), list(map(list, columns)), list(faults))
        frame = frame.with_columns(start=pl.Series(places, dtype=pl.Int64))
        kept = by_themselves.filter(~starts.is_in(swallowed)) if swallowed else by_themselves
        return pl.concat([kept, frame]).sort("start")

    def _decode(self, lines: list[bytes]) -> list[Any] | None:
        """Return the heads of lines; None where one is no JSON, or has a value of a wrong type."""
        try:
            return self._decoder.decode_lines(b"\n".join(lines))
        except (msgspec.MsgspecError, RecursionError):
            return None

    def _record(self, written: bytes, readable: bytes) -> tuple[Any, ...]:
        """Return the text, the fault and the values of a record, `written` as it is `readable` but for surrogates."""
        fault, (uuid, *names, moment) = self._read_record(readable, mended=written != readable)
        if fault is CorruptionReason.RECORD_TOO_LARGE:
            written = written[:KEPT_BYTES_OF_OVERSIZED_RECORD]
        names = [name if name is None or isinstance(name, str) else NAME_OF_WRONG_TYPE for name in names]
        uuid = uuid if isinstance(uuid, str) else None
        return written.decode("utf-8", "backslashreplace"), fault, uuid, *names, self._moment(moment)

    def _read_record(self, record: bytes, *, mended: bool = False) -> tuple[CorruptionReason | None, list[Any]]:
        """Return the fault and the values of a record; of a `mended` one, NO_CHARACTER makes no text."""
        nothing = [None] * len(self._paths)
        if len(record) > MAX_RECORD_BYTES:
            return CorruptionReason.RECORD_TOO_LARGE, nothing
        try:
            record.decode()
            fields = FIELDS.decode(record)
        except UnicodeDecodeError:
            return CorruptionReason.NOT_UTF8, nothing
        except msgspec.ValidationError:
            return _fault_of_no_object(record), nothing
        except (msgspec.MsgspecError, RecursionError):
            return CorruptionReason.NOT_JSON, nothing
        values = [value_at(fields, path) for path in self._paths]
        if mended:
            values = [_NO_TEXT if isinstance(value, str) and NO_CHARACTER in value else value for value in values]
        return None, values

    def _is_event(self, record: bytes) -> bool:
        """Say whether a text is an object that has all of the envelope, whatever it says there."""
        _, values = self._read_record(record)
        uuid, *names, moment = values
        return not (uuid is None or moment is None or all(name is None for name in names))

    def _moment(self, value: Any) -> Any:
        if self._iso8601:
            return value if value is None or isinstance(value, str) else ""
        return value if value is None or type(value) in {int, float} else float("nan")

    def _frame_of(self, scanned: _Scanned) -> pl.DataFrame:
        return self._frame(scanned.bodies, [values_at(scanned.heads, path) for path in self._paths], None)

    def _frame(self, bodies: pl.Series, columns: list[list[Any]], faults: list[str | None] | None) -> pl.DataFrame:
        uuids, *parts, moments = columns
        names = parts[0] if len(parts) == 1 else [joined(part) for part in zip(*parts, strict=True)]
        return pl.DataFrame(
            {
                "body": bodies,
                "event_uuid": pl.Series(uuids, dtype=pl.String),
                "event_name": pl.Series(names, dtype=pl.String),
                "created_at": pl.Series(moments, dtype=pl.String) if self._iso8601 else floats(moments),
                "fault": pl.Series(faults or [None] * len(bodies), dtype=pl.String),
            }
        )


def _is_event(records: pl.DataFrame) -> pl.Series:
    """Say which records have all of the envelope, whatever they say there."""
    return records.select(pl.all_horizontal(pl.col("event_uuid", "event_name", "created_at").is_not_null())).to_series()


def _neighbourhoods(malformed: list[int], events: pl.Series, count: int) -> list[int]:
    """Return the numbers of the lines that are malformed, and of those behind them, of `count`, with the next event.

    An event is a record in any case, so that nothing damaged goes on behind it.
    """
    ends = events.extend_constant(count, 1)
    ends = ends.gather(ends.search_sorted(pl.Series(malformed, dtype=events.dtype)))
    lines: list[int] = []
    for first, end in zip(malformed, ends, strict=True):
        lines.extend(range(max(first, lines[-1] + 1 if lines else 0), min(end + 1, count)))
    return lines


def _first_characters(scanned: _Scanned, starts: list[int]) -> pl.Series:
    """Return where the sound pieces begin, without the blanks around them; `starts` is where all pieces begin."""
    places = pl.Series(starts, dtype=pl.Int64).gather(scanned.sound)
    texts = scanned.texts.gather(scanned.sound)
    if texts.str.len_bytes().sum() == scanned.bodies.str.len_bytes().sum():
        return places
    return places + texts.str.len_bytes() - texts.str.strip_chars_start(WHITESPACE).str.len_bytes()


def _readable(data: bytes, malformed: Mapping[int, bytes]) -> tuple[bytes, dict[int, bytes]]:
    """Put what can be read in the place of lone surrogates. Return the bytes of an object, and the mended pieces."""
    pieces = {start: without_lone_surrogates(piece) for start, piece in malformed.items()}
    mended = {start: piece for start, piece in pieces.items() if piece != malformed[start]}
    if not mended:
        return data, mended
    result = bytearray(data)
    for start, piece in mended.items():
        result[start : start + len(piece)] = piece
    return bytes(result), mended


def _texts(lines: pl.Series) -> pl.Series:
    """Return bytes as texts; null where they are not UTF-8, which is searched for in fewer and fewer lines."""
    try:
        return lines.cast(pl.String)
    except pl.exceptions.ComputeError:
        if len(lines) == 1:
            return pl.Series([None], dtype=pl.String)
        step = math.ceil(len(lines) / _PARTS)
        return pl.concat([_texts(lines[start : start + step]) for start in range(0, len(lines), step)])


def _fault_of_no_object(record: bytes) -> CorruptionReason:
    try:
        ANYTHING.decode(record)
    except (msgspec.MsgspecError, RecursionError):
        return CorruptionReason.NOT_JSON
    return CorruptionReason.NOT_AN_OBJECT

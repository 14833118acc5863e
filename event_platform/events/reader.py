"""The bytes of one object → its records, with the envelope fields of each and the fault of those that have one.

Many lines at a time. Only where that fails does the reader look closer, at fewer and fewer lines until the damaged ones
stand alone: a damaged record costs its neighbours nothing.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import compress
from operator import attrgetter
from typing import Any

import msgspec
import polars as pl

from event_platform.events.envelope import Envelope, FieldPath, TimeUnit
from event_platform.events.event import KEPT_BYTES_OF_OVERSIZED_RECORD, MAX_RECORD_BYTES, CorruptionReason
from event_platform.events.records import WHITESPACE, decode_around_damage, split_concatenated, without_byte_order_mark

#: Stands for a name that is there but is no text; no valid name holds it.
NAME_OF_WRONG_TYPE = "\0"

#: Few enough that a damaged line sends little the longer way, many enough that the call itself costs nothing.
_LINES_AT_ONCE = 128

#: Into how many parts lines are cut to find those that are not UTF-8: a sixth look finds one among a billion.
_PARTS = 32

#: Bytes in which a stream without a delimiter shows that it has none.
_BEGINNING = 1 << 20

_ANYTHING = msgspec.json.Decoder()
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True)
class _Scanned:
    """The lines that are sound, with what was decoded of each; and the others, which want a closer look."""

    numbers: pl.Series  # of the sound lines
    bodies: pl.Series
    heads: list[Any]
    odd: list[tuple[int, bytes]]  # number and line


class EnvelopeReader:
    """Reads the records of a stream with one envelope. Holds compiled decoders: make one, use it for many objects."""

    def __init__(self, envelope: Envelope) -> None:
        """Compile the paths of `envelope` into a decoder that skips every other field."""
        self._iso8601 = envelope.unit is TimeUnit.ISO8601
        self._paths = [envelope.event_uuid, *envelope.event_name, envelope.created_at]
        moment = str if self._iso8601 else int | float
        kinds = [*[str] * (len(self._paths) - 1), moment]
        self._decoder = msgspec.json.Decoder(_struct_of(dict(zip(self._paths, kinds, strict=True))))

    def read(self, data: bytes) -> pl.DataFrame:
        """Return one row for each record, in order: body, event_uuid, event_name, created_at, fault (all nullable).

        `created_at` is Float64 as written, or String where the unit is ISO 8601. A value of a wrong type is null
        for event_uuid, `NAME_OF_WRONG_TYPE` for event_name and NaN (or "") for created_at.
        """
        data = without_byte_order_mark(data)
        found = self._scan(data.split(b"\n"))
        if found.odd and b"}{" in data[:_BEGINNING]:
            # A stream without a delimiter. A newline inside a text is not JSON, so that a cut at the wrong "}{"
            # cannot pass for sound.
            cut = self._scan(data.replace(b"}{", b"}\n{").split(b"\n"))
            found = found if cut.odd else cut
        sound = self._frame(found.bodies, [_values_at(found.heads, path) for path in self._paths], None)
        return self._with_odd(sound, found) if found.odd else sound

    def _scan(self, lines: list[bytes]) -> "_Scanned":
        """Decode the lines that are an object from end to end, many at once, and less where one is damaged."""
        texts = _texts(pl.Series(lines, dtype=pl.Binary)).str.strip_chars(WHITESPACE)
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
        odd = [(number, line) for number in sorted(others) if (line := lines[number].strip())]
        return _Scanned(sound, texts.gather(sound), heads, odd)

    def _with_odd(self, sound: pl.DataFrame, found: "_Scanned") -> pl.DataFrame:
        """Put the records of the odd lines in between, each read by itself."""
        odd = [(number, *record) for number, line in found.odd for record in self._records(line)]
        numbers, texts, faults, *columns = zip(*odd, strict=True)
        frame = self._frame(pl.Series(texts, dtype=pl.String), list(map(list, columns)), list(faults))
        order = pl.concat([found.numbers.cast(pl.UInt32), pl.Series(numbers, dtype=pl.UInt32)])
        return pl.concat([sound, frame]).with_columns(line=order).sort("line", maintain_order=True).drop("line")

    def _decode(self, lines: list[bytes]) -> list[Any] | None:
        """Return the heads of lines; None where one is no JSON, or has a value of a wrong type."""
        try:
            return self._decoder.decode_lines(b"\n".join(lines))
        except (msgspec.MsgspecError, RecursionError):
            return None

    def _records(self, line: bytes) -> Iterator[tuple[Any, ...]]:
        """Yield the text, the fault and the values of the one record of a line, or of those written on it in a row."""
        # Bytes that are no UTF-8 travel as lone surrogates, so that they spoil only the record they are in.
        for text in split_concatenated(line.decode("utf-8", "surrogateescape")):
            record = text.encode("utf-8", "surrogateescape")
            fault, values = self._read_record(record)
            if fault is CorruptionReason.RECORD_TOO_LARGE:
                record = record[:KEPT_BYTES_OF_OVERSIZED_RECORD]
            yield record.decode("utf-8", "backslashreplace"), fault, *values

    def _read_record(self, record: bytes) -> tuple[CorruptionReason | None, list[Any]]:
        nothing = [None] * len(self._paths)
        if len(record) > MAX_RECORD_BYTES:
            return CorruptionReason.RECORD_TOO_LARGE, nothing
        try:
            record.decode()
            fields = _FIELDS.decode(record)
        except UnicodeDecodeError:
            return CorruptionReason.NOT_UTF8, nothing
        except msgspec.ValidationError:
            return _fault_of_no_object(record), nothing
        except (msgspec.MsgspecError, RecursionError):
            return CorruptionReason.NOT_JSON, nothing
        uuid, *names, moment = (_value_at(fields, path) for path in self._paths)
        names = [name if name is None or isinstance(name, str) else NAME_OF_WRONG_TYPE for name in names]
        return None, [uuid if isinstance(uuid, str) else None, *names, self._moment(moment)]

    def _moment(self, value: Any) -> Any:
        if self._iso8601:
            return value if value is None or isinstance(value, str) else ""
        return value if value is None or type(value) in {int, float} else float("nan")

    def _frame(self, bodies: pl.Series, columns: list[list[Any]], faults: list[str | None] | None) -> pl.DataFrame:
        uuids, *parts, moments = columns
        names = parts[0] if len(parts) == 1 else [_joined(part) for part in zip(*parts, strict=True)]
        return pl.DataFrame(
            {
                "body": bodies,
                "event_uuid": pl.Series(uuids, dtype=pl.String),
                "event_name": pl.Series(names, dtype=pl.String),
                "created_at": pl.Series(moments, dtype=pl.String) if self._iso8601 else _floats(moments),
                "fault": pl.Series(faults or [None] * len(bodies), dtype=pl.String),
            }
        )


def _texts(lines: pl.Series) -> pl.Series:
    """Return bytes as texts; null where they are not UTF-8, which is searched for in fewer and fewer lines."""
    try:
        return lines.cast(pl.String)
    except pl.exceptions.ComputeError:
        if len(lines) == 1:
            return pl.Series([None], dtype=pl.String)
        step = math.ceil(len(lines) / _PARTS)
        return pl.concat([_texts(lines[start : start + step]) for start in range(0, len(lines), step)])


def _struct_of(kinds: Mapping[FieldPath, Any]) -> type[msgspec.Struct]:
    """Compile paths and their types into nested structs that skip every other field."""
    fields: list[tuple[str, Any, Any]] = []
    rename: dict[str, str] = {}
    for index, key in enumerate(dict.fromkeys(path[0] for path in kinds)):
        below = {path[1:]: kind for path, kind in kinds.items() if path[0] == key and len(path) > 1}
        kind = _struct_of(below) if below else kinds[(key,)]
        fields.append((f"f{index}", kind | None, None))
        rename[f"f{index}"] = key
    return msgspec.defstruct("Head", fields, rename=rename, gc=False)


def _values_at(heads: list[Any], path: FieldPath) -> list[Any]:
    values = heads
    for key in path:
        kind = next((type(value) for value in values if value is not None), None)
        if kind is None:
            return values
        get = attrgetter(kind.__struct_fields__[kind.__struct_encode_fields__.index(key)])
        values = (
            [None if value is None else get(value) for value in values] if None in values else list(map(get, values))
        )
    return values


def _value_at(fields: dict[str, msgspec.Raw], path: FieldPath) -> Any:
    """Decode one field exactly; a number too large to hold is NaN, an object on the way that is none is absent."""
    raw = fields.get(path[0])
    if raw is None:
        return None
    try:
        return _ANYTHING.decode(raw) if len(path) == 1 else _value_at(_FIELDS.decode(raw), path[1:])
    except msgspec.MsgspecError:
        return float("nan") if len(path) == 1 else None


def _joined(parts: Iterable[str | None]) -> str | None:
    present = [part for part in parts if part is not None]
    return ":".join(present) if present else None


def _fault_of_no_object(record: bytes) -> CorruptionReason:
    try:
        _ANYTHING.decode(record)
    except (msgspec.MsgspecError, RecursionError):
        return CorruptionReason.NOT_JSON
    return CorruptionReason.NOT_AN_OBJECT


def _floats(values: list[Any]) -> pl.Series:
    column = pl.Series(values, dtype=pl.Float64, strict=False)
    if column.null_count() == values.count(None):
        return column
    # An integer of hundreds of digits.
    return pl.Series([_float(value) for value in values], dtype=pl.Float64)


def _float(value: float | None) -> float | None:
    try:
        return None if value is None else float(value)
    except OverflowError:
        return float("inf")

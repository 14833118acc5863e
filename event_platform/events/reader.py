"""The bytes of one object → its records, with the envelope fields of each and the fault of those that have one.

Whole objects at a time: one scan for the fields, one split for the bodies. Only where that fails does the reader
look closer, at fewer and fewer lines until the damaged ones stand alone: a damaged record costs its neighbours nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any

import msgspec
import polars as pl

from event_platform.events.envelope import Envelope, FieldPath, TimeUnit
from event_platform.events.event import KEPT_BYTES_OF_OVERSIZED_RECORD, MAX_RECORD_BYTES, CorruptionReason
from event_platform.events.records import decode_around_damage, lines_of, split_concatenated, without_byte_order_mark

#: Stands for a name that is there but is no text; no valid name holds it.
NAME_OF_WRONG_TYPE = "\0"

#: Few enough that a damaged line sends little the longer way, many enough that the call itself costs nothing.
_LINES_AT_ONCE = 128

#: Bytes in which a stream without a delimiter shows that it has none.
_BEGINNING = 1 << 20

_OPENS, _CLOSES = b"{}"
_ANYTHING = msgspec.json.Decoder()
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


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
        whole = self._read_sound(data)
        if whole is None and b"}{" in data[:_BEGINNING]:
            # A stream without a delimiter. A newline inside a text is not JSON, so that a cut at the wrong "}{"
            # cannot pass for sound.
            whole = self._read_sound(data.replace(b"}{", b"}\n{"))
        return whole if whole is not None else self._read_closely(lines_of(data))

    def _read_sound(self, data: bytes) -> pl.DataFrame | None:
        """Read records that have no fault of form; None where some may have one, or may span lines."""
        try:
            heads = self._decoder.decode_lines(data)
            bodies = pl.Series([data]).cast(pl.String).str.split("\n").explode().str.strip_chars()
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, pl.exceptions.ComputeError):
            return None
        bodies = bodies.filter(bodies != "")
        if len(bodies) != len(heads) or not _one_object_a_line(bodies):
            return None
        return self._frame(bodies, [_values_at(heads, path) for path in self._paths], None)

    def _read_closely(self, lines: list[bytes]) -> pl.DataFrame:
        """Read a few lines at once, and only where that fails look at each by itself."""
        heads: dict[int, Any] = {}
        for start in range(0, len(lines), _LINES_AT_ONCE):
            found = decode_around_damage(self._decode, lines[start : start + _LINES_AT_ONCE])
            heads.update({start + number: head for number, head in found.items()})
        bodies = pl.Series([lines[number] for number in heads], dtype=pl.Binary).cast(pl.String)
        sound = self._frame(bodies, [_values_at(list(heads.values()), path) for path in self._paths], None)
        odd = [
            (number, *record)
            for number, line in enumerate(lines)
            if number not in heads
            for record in self._records(line)
        ]
        numbers, texts, faults, *columns = zip(*odd, strict=True) if odd else [()] * (3 + len(self._paths))
        frame = self._frame(pl.Series(texts, dtype=pl.String), list(map(list, columns)), list(faults))
        return (
            pl.concat([sound, frame])
            .with_columns(line=pl.Series([*heads, *numbers], dtype=pl.UInt32))
            .sort("line", maintain_order=True)
            .drop("line")
        )

    def _decode(self, lines: list[bytes]) -> list[Any] | None:
        """Return the heads of lines; None where one is damaged, too long, or no object from end to end."""
        if not all(line[0] == _OPENS and line[-1] == _CLOSES for line in lines):
            return None
        data = b"\n".join(lines)
        if len(data) > MAX_RECORD_BYTES and max(map(len, lines)) > MAX_RECORD_BYTES:
            return None
        try:
            data.decode()  # the decoder does not look at the bytes of fields that it skips
            return self._decoder.decode_lines(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
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


def _one_object_a_line(bodies: pl.Series) -> bool:
    # A record that spans lines has a line that does not begin with "{" or one that does not end with "}".
    sizes = bodies.str.len_bytes()
    return bool(
        (sizes <= MAX_RECORD_BYTES).all() and bodies.str.starts_with("{").all() and bodies.str.ends_with("}").all()
    )


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

"""Records that another system wrapped: the array of an export, the text of a message, a field of an error output.

A wrapper is found like a record is, damage included. What is in it then becomes records of its own.
"""

import base64
import binascii
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import polars as pl

from event_platform.events.envelope import Envelope, FieldPath, RecordsPath
from event_platform.events.envelope_fields import Values, compile_struct, raw_at, values_at
from event_platform.events.event import KEPT_BYTES_OF_OVERSIZED_RECORD, MAX_RECORD_BYTES, CorruptionReason
from event_platform.events.reader import EnvelopeReader, fault_of_no_object
from event_platform.events.records import split_concatenated, without_lone_surrogates
from event_platform.events.surrogates import mask_half_surrogates, unmask

#: A wrapper of any size is read: what cuts objects into pieces limits it.
_MAX_WRAPPER_BYTES = (1 << 31) - 1

_GZIP = b"\x1f\x8b"

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)


class _Record(NamedTuple):
    """What was in a wrapper: a JSON object, or a text with the reason why it is none."""

    text: str
    fault: str | None = None


class WrappedReader:
    """Reads records that are in wrappers. Holds compiled decoders: create it once, use it for many objects."""

    def __init__(self, envelope: Envelope, records: RecordsPath) -> None:
        """Compile the paths of `envelope`."""
        self._records = EnvelopeReader(envelope)
        self._wrappers = EnvelopeReader(envelope, _WrapperFields(records), _MAX_WRAPPER_BYTES)
        self._path = records
        self._context = [(path, msgspec.json.encode(name), name) for name, path in records.context]

    def read(self, data: bytes) -> pl.DataFrame:
        """Return the records, as `EnvelopeReader.read` does. A wrapper that is damaged is a record with its fault."""
        wrappers = self._wrappers.read(data)
        found: list[_Record] = []
        for text, fault in wrappers.select("body", "fault").iter_rows():
            found.extend([_Record(text, fault)] if fault else self._unwrap(text))
        sound = [number for number, each in enumerate(found) if each.fault is None]
        # Line ends in JSON are blanks; a record is a line.
        lines = "\n".join(found[number].text.replace("\n", " ") for number in sound)
        records = self._records.read(lines.encode("utf-8", "surrogateescape"))
        if records.height != len(sound):
            raise ValueError(f"{len(sound):,} records of wrappers were read as {records.height:,}")
        faulty = [(number, each) for number, each in enumerate(found) if each.fault is not None]
        if not faulty:
            return records
        rows = [{"body": _shortened(each.text), "fault": each.fault} for _, each in faulty]
        others = pl.DataFrame(rows, schema=records.schema)
        place = pl.Series("place", [*sound, *(number for number, _ in faulty)])
        return pl.concat([records, others]).with_columns(place).sort("place").drop("place")

    def _unwrap(self, wrapper: str) -> Iterator[_Record]:
        text, mask = mask_half_surrogates(wrapper)
        for each in self._below(msgspec.Raw(text.encode()), 0, {}):
            yield _Record(unmask(each.text, mask), each.fault) if mask else each

    def _below(self, value: msgspec.Raw, depth: int, context: Mapping[str, bytes]) -> Iterator[_Record]:
        """Yield the records that are in a value, of which so many steps of the path have been taken."""
        if depth == len(self._path.steps):
            yield from self._as_records(value, context)
            return
        fields = _fields(value)
        if fields is not None and self._context:
            context = {**context, **dict(self._context_in(fields))}
        key, is_array = self._path.steps[depth]
        inner = None if fields is None else fields.get(key)
        items = _items(inner) if is_array else [inner] if inner is not None and bytes(inner) != b"null" else None
        if items is None:
            yield _Record(_as_text(value), CorruptionReason.MISSING_RECORDS.value)
            return
        is_last = depth + 1 == len(self._path.steps)
        for item in items:
            text = _as_text(item)
            if is_last and not self._context and text.startswith("{"):
                yield _Record(text)
            else:
                yield from self._below(item, depth + 1, context)

    def _context_in(self, fields: dict[str, msgspec.Raw]) -> Iterator[tuple[str, bytes]]:
        for path, key, name in self._context:
            value = raw_at(fields, path)
            if value is not None:
                yield name, b"%b:%b" % (key, bytes(value))

    def _as_records(self, value: msgspec.Raw, context: Mapping[str, bytes]) -> Iterator[_Record]:
        """Yield a value, or the values that are in it as a text of JSON, in base64 or not."""
        is_text = bytes(value).startswith(b'"')
        for text in split_concatenated(unpack(_TEXT.decode(value))) if is_text else [_as_text(value)]:
            fields = _fields(msgspec.Raw(text.encode("utf-8", "surrogateescape")))
            if fields is not None:
                yield _Record(_with_context(text, {k: v for k, v in context.items() if k not in fields}))
            else:
                yield _Record(text, fault_of_no_object(without_lone_surrogates(text.encode())).value)


class _WrapperFields:
    """Tells wrappers from damage, in place of the envelope's fields: by the first key of their path."""

    def __init__(self, records: RecordsPath) -> None:
        self.paths: tuple[FieldPath, ...] = ((records.steps[0][0],),)
        self.decoder = msgspec.json.Decoder(compile_struct({self.paths[0]: msgspec.Raw}))

    def of_structs(self, structs: list[Any]) -> Values:
        return {path: values_at(structs, path) for path in self.paths}

    def of_record(self, fields: dict[str, msgspec.Raw], *, mended: bool = False) -> dict[FieldPath, Any]:  # noqa: ARG002 - as EnvelopeFields has it
        return {path: raw_at(fields, path) for path in self.paths}

    def is_whole(self, values: Mapping[FieldPath, Any]) -> bool:
        return all(values[path] is not None for path in self.paths)

    def columns(self, values: Values, bodies: pl.Series) -> dict[str, pl.Series]:  # noqa: ARG002
        (found,) = values.values()
        there = pl.Series([None if value is None else "" for value in found], dtype=pl.String)
        return dict.fromkeys(("event_uuid", "event_name", "created_at"), there)


def open_reader(envelope: Envelope) -> EnvelopeReader | WrappedReader:
    """Return what reads the records of a stream with this envelope."""
    return WrappedReader(envelope, envelope.records) if envelope.records else EnvelopeReader(envelope)


def read_objects(data: bytes) -> list[str | None]:
    """Return the JSON objects of a landed one, whatever is in them, and None for each record that is none."""
    reader = EnvelopeReader(Envelope(), _WrapperFields(RecordsPath((("", False),))), _MAX_WRAPPER_BYTES)
    found = reader.read(data)
    return [body if fault is None else None for body, fault in found.select("body", "fault").iter_rows()]


def _fields(value: msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    """Return the fields of an object, which may be the text of one; None where it is none."""
    try:
        if bytes(value).startswith(b'"'):
            value = msgspec.Raw(unpack(_TEXT.decode(value)).encode())
        # In a text within the wrapper half a surrogate pair is not masked.
        return _FIELDS.decode(without_lone_surrogates(bytes(value)))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _items(value: msgspec.Raw | None) -> list[msgspec.Raw] | None:
    try:
        return None if value is None else _ITEMS.decode(value)
    except (msgspec.MsgspecError, RecursionError):
        return None


def unpack(text: str) -> str:
    """Return what is in a text that is base64, gzipped or not, and any other text as it is."""
    if text.lstrip().startswith(("{", "[")):
        return text
    try:
        return _gunzipped(base64.b64decode(text, validate=True)).decode()
    except (binascii.Error, zlib.error, ValueError):
        return text


def _gunzipped(data: bytes) -> bytes:
    """Decompress a record that is gzipped. Raises zlib.error, or ValueError if it is cut or larger than a record."""
    if not data.startswith(_GZIP):
        return data
    member = zlib.decompressobj(wbits=31)
    found = member.decompress(data, MAX_RECORD_BYTES)
    if not member.eof or member.unused_data:
        raise ValueError("cut, too large, or with more behind it")
    return found


def _shortened(text: str) -> str:
    """Return the text of what is corrupt: of more than a record may have, the beginning."""
    return text if len(text) <= MAX_RECORD_BYTES else text[:KEPT_BYTES_OF_OVERSIZED_RECORD]


def _with_context(text: str, context: Mapping[str, bytes]) -> str:
    if not context:
        return text
    added = b",".join(context.values()).decode()
    rest = text.lstrip()[1:]
    return f"{{{added}{'' if rest.lstrip().startswith('}') else ','}{rest}"


def _as_text(value: msgspec.Raw) -> str:
    return bytes(value).decode("utf-8", "surrogateescape")

"""A wrapper → the records in it, as texts. Takes msgspec alone."""

import base64
import binascii
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from event_platform.events.corruption import MAX_RECORD_BYTES, CorruptionReason, fault_of_no_object
from event_platform.events.envelope import RecordsPath
from event_platform.events.envelope_fields import raw_at
from event_platform.events.records import split_concatenated, without_lone_surrogates
from event_platform.events.surrogates import mask_half_surrogates, unmask

_GZIP = b"\x1f\x8b"

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)


class WrappedRecord(NamedTuple):
    """The content of a wrapper: a JSON object, or a text with the reason why it is not one."""

    text: str
    fault: str | None = None
    written: bytes | None = None  # its bytes, if they differ from those of the text


class Unwrapper:
    """Finds the records at one path of wrappers."""

    def __init__(self, path: RecordsPath) -> None:
        """Encode the keys of the context."""
        self._path = path
        self._context = [(path, msgspec.json.encode(name), name) for name, path in path.context]

    def unwrap(self, wrapper: str) -> Iterator[WrappedRecord]:
        """Yield the records of a wrapper, in order."""
        text, mask = mask_half_surrogates(wrapper)
        for record in self._records_below(msgspec.Raw(text.encode()), 0, {}):
            yield WrappedRecord(unmask(record.text, mask), record.fault) if mask else record

    def _records_below(self, value: msgspec.Raw, depth: int, context: Mapping[str, bytes]) -> Iterator[WrappedRecord]:
        """Yield the records in a value, after the first `depth` steps of the path."""
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
            yield WrappedRecord(_as_text(value), CorruptionReason.MISSING_RECORDS.value)
            return
        is_last = depth + 1 == len(self._path.steps)
        for item in items:
            text = _as_text(item)
            if is_last and not self._context and text.startswith("{"):
                yield WrappedRecord(text)
            else:
                yield from self._records_below(item, depth + 1, context)

    def _context_in(self, fields: dict[str, msgspec.Raw]) -> Iterator[tuple[str, bytes]]:
        for path, key, name in self._context:
            value = raw_at(fields, path)
            if value is not None:
                yield name, b"%b:%b" % (key, bytes(value))

    def _as_records(self, value: msgspec.Raw, context: Mapping[str, bytes]) -> Iterator[WrappedRecord]:
        """Yield a value, or the values in its JSON text, base64-encoded or not."""
        is_text = bytes(value).startswith(b'"')
        for text in split_concatenated(unpack(_TEXT.decode(value))) if is_text else [_as_text(value)]:
            fields = _fields(msgspec.Raw(text.encode("utf-8", "surrogateescape")))
            if fields is not None:
                yield WrappedRecord(_with_context(text, {k: v for k, v in context.items() if k not in fields}))
            else:
                yield WrappedRecord(text, fault_of_no_object(without_lone_surrogates(text.encode())).value)


def _fields(value: msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    """Return the fields of an object or of its JSON text; None for other values."""
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
    """Return the content of a base64 text, unzipped if gzipped; other texts unchanged."""
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
    content = member.decompress(data, MAX_RECORD_BYTES)
    if not member.eof or member.unused_data:
        raise ValueError("cut, too large, or with more behind it")
    return content


def _with_context(text: str, context: Mapping[str, bytes]) -> str:
    if not context:
        return text
    added = b",".join(context.values()).decode()
    rest = text.lstrip()[1:]
    return f"{{{added}{'' if rest.lstrip().startswith('}') else ','}{rest}"


def _as_text(value: msgspec.Raw) -> str:
    return bytes(value).decode("utf-8", "surrogateescape")

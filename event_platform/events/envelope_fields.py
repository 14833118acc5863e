"""The envelope's fields of decoded records → the id, name and time of each. Takes msgspec alone."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from event_platform.events.corruption import WRONG_TYPE
from event_platform.events.envelope import Envelope, FieldPath
from event_platform.events.records import NO_CHARACTER

#: Hexadecimal digits of an id that is a hash: 128 bits of SHA-256.
_HASH_LENGTH = 32

#: Bits of the largest integer that is an id or a name: more digits than either may have.
_INTEGER_BITS = 1024

#: Separator of hashed values. JSON cannot contain it.
_BETWEEN = b"\x1f"

#: Values, as JSON, that are no part of an id.
_EMPTY = (b"null", b'""')

_ANYTHING = msgspec.json.Decoder()
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])

#: Values by the path of their field, one for each record; None if it is absent.
Values = Mapping[FieldPath, list[Any]]


class EnvelopeFields:
    """Extracts the fields of an envelope from records.

    Holds a compiled decoder: create it once, use it for many objects.
    """

    def __init__(self, envelope: Envelope) -> None:
        """Compile the paths of `envelope`."""
        self.envelope = envelope
        self._hashed = frozenset(envelope.event_uuid if envelope.is_hashed else ())
        self.paths: tuple[FieldPath, ...] = tuple(
            dict.fromkeys([*envelope.event_uuid, *envelope.event_name, envelope.created_at])
        )
        #: Decodes the fields and skips all others. Fails if one has an impossible type.
        self.decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            compile_struct({path: self._type(path) for path in self.paths})
        )

    def _type(self, path: FieldPath) -> Any:
        if path in self._hashed:
            return msgspec.Raw
        if path == self.envelope.created_at:
            return str if self.envelope.unit.is_text else int | float | str
        return str | int

    def of_structs(self, structs: list[Any]) -> Values:
        """Return the values of decoded structs."""
        return {path: values_at(structs, path) for path in self.paths}

    def of_record(self, fields: dict[str, msgspec.Raw], *, mended: bool = False) -> dict[FieldPath, Any]:
        """Return the envelope values of one record, of any type.

        If the record is `mended`, texts with NO_CHARACTER had half a surrogate pair, and are not valid texts.
        """
        return {path: self._value(raw_at(fields, path), path, mended=mended) for path in self.paths}

    def _value(self, raw: msgspec.Raw | None, path: FieldPath, *, mended: bool) -> Any:
        if raw is None:
            return None
        value = raw if path in self._hashed else _decoded(raw)
        value = float("nan") if isinstance(value, bool) else value
        text = bytes(raw).decode() if isinstance(value, msgspec.Raw) else value
        return float("nan") if mended and isinstance(text, str) and _holds_no_character(text) else value

    def is_whole(self, values: Mapping[FieldPath, Any]) -> bool:
        """Return whether a record has all of its fields, valid or not."""
        envelope = self.envelope
        has_name = not envelope.event_name or any(values[path] is not None for path in envelope.event_name)
        return has_name and all(values[path] is not None for path in (*envelope.event_uuid, envelope.created_at))

    def uuids(self, values: Values, bodies: Iterable[str | None]) -> list[str | None]:
        """Return the id of each record, or WRONG_TYPE."""
        paths = self.envelope.event_uuid
        if not paths:
            return [None if body is None else _digest(body.encode()) for body in bodies]
        if self._hashed:
            return [_hash_of(parts) for parts in _rows(values, paths)]
        columns = [_as_texts(values[path]) for path in paths]
        return columns[0] if len(columns) == 1 else [_join_ids(parts) for parts in zip(*columns, strict=True)]

    def names(self, values: Values, count: int) -> list[str | None]:
        """Return the name of each record, or WRONG_TYPE."""
        prefix, paths = self.envelope.name_prefix, self.envelope.event_name
        if not paths:
            return [prefix] * count
        columns = [_as_texts(values[path]) for path in paths]
        if len(columns) == 1 and not prefix:
            return columns[0]
        return [join_names(parts, prefix) for parts in zip(*columns, strict=True)]

    def times(self, values: Values) -> list[Any]:
        """Return created_at of each record, as it is written."""
        path = self.envelope.created_at
        if path not in self._hashed:
            return values[path]
        return [None if raw is None else _decoded(raw) for raw in values[path]]


def compile_struct(kinds: Mapping[FieldPath, Any]) -> type[msgspec.Struct]:
    """Compile field paths and their types into nested structs. Their decoder skips every other field."""
    fields: list[tuple[str, Any, Any]] = []
    rename: dict[str, str] = {}
    for index, key in enumerate(dict.fromkeys(path[0] for path in kinds)):
        below = {path[1:]: kind for path, kind in kinds.items() if path[0] == key and len(path) > 1}
        kind = compile_struct(below) if below else kinds[(key,)]
        fields.append((f"f{index}", kind if kind is msgspec.Raw else kind | None, None))
        rename[f"f{index}"] = key
    return msgspec.defstruct("Head", fields, rename=rename, gc=False)


def values_at(structs: list[Any], path: FieldPath) -> list[Any]:
    """Return the field at `path` of each struct; None if the field, or an object on its path, is absent."""
    values = structs
    for key in path:
        kind = next((type(value) for value in values if value is not None), None)
        if kind is None:
            return values
        get = attrgetter(kind.__struct_fields__[kind.__struct_encode_fields__.index(key)])
        values = (
            [None if value is None else get(value) for value in values] if None in values else list(map(get, values))
        )
    return values


def raw_at(fields: dict[str, msgspec.Raw], path: FieldPath) -> msgspec.Raw | None:
    """Return one field as raw JSON; None if the field, or an object on its path, is absent."""
    raw = fields.get(path[0])
    if raw is None or len(path) == 1:
        return raw
    try:
        return raw_at(_FIELDS.decode(raw), path[1:])
    except msgspec.MsgspecError:
        return None


def join_names(parts: Iterable[str | None], prefix: str = "") -> str | None:
    """Join the parts of an event name with `:`, behind the prefix. None if all are absent or empty."""
    present = [part for part in parts if part]
    return ":".join([prefix, *present] if prefix else present) if present else None


def _decoded(raw: msgspec.Raw) -> Any:
    """Decode a value. A number that is too large is NaN."""
    try:
        return _ANYTHING.decode(raw)
    except msgspec.MsgspecError:
        return float("nan")


def _holds_no_character(text: str) -> bool:
    return NO_CHARACTER in text or "\\uffff" in text


def _as_texts(values: list[Any]) -> list[str | None]:
    """Return texts and integers as texts, and WRONG_TYPE for other values."""
    if all(type(value) is str for value in values):
        return values
    return [value if value is None or type(value) is str else _integer_as_text(value) for value in values]


def is_integer(value: Any) -> bool:
    """Return whether a value is an integer that can be an id."""
    return type(value) is int and value.bit_length() <= _INTEGER_BITS


def _integer_as_text(value: Any) -> str:
    return str(value) if is_integer(value) else WRONG_TYPE


def _join_ids(parts: Sequence[str | None]) -> str | None:
    """Join the parts of an id with `:`, with `:` and backslash escaped, so that different parts give different ids."""
    if any(not part for part in parts):
        return None
    if WRONG_TYPE in parts:
        return WRONG_TYPE
    return ":".join(str(part).replace("\\", "\\\\").replace(":", "\\:") for part in parts)


def _hash_of(values: Sequence[Any]) -> str | None:
    """Hash values as they are written in JSON."""
    if any(value is None or (isinstance(value, msgspec.Raw) and bytes(value) in _EMPTY) for value in values):
        return None
    if not all(isinstance(value, msgspec.Raw) for value in values):
        return WRONG_TYPE
    return _digest(_BETWEEN.join(bytes(value) for value in values))


def _rows(values: Values, paths: Iterable[FieldPath]) -> Iterable[Sequence[Any]]:
    return zip(*(values[path] for path in paths), strict=True)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_HASH_LENGTH]

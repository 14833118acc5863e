"""The schema of an Avro container → the conversion of its values to JSON, and their maximal memory.

Values without a JSON form are converted while fastavro reads: it calls a function for each registered logical type. The
names registered here are private to this module, so that the values of others do not change.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
from fastavro.read import LOGICAL_READERS

from event_platform.landing.pieces import BrokenError

_EPOCH, _FIRST_DAY = datetime(1970, 1, 1, tzinfo=UTC), date(1970, 1, 1)

#: Maximum bytes of a decimal, and maximum digits after its point. Others stay bytes, so that texts stay short.
_LARGEST_DECIMAL, _MOST_DIGITS = 1024, 1024

_UUID_BYTES = 16

#: Memory of a value and of an object in bytes, and of each byte of a text: as it is read, and as JSON with escapes.
_VALUE, _OBJECT, _TEXT = 100, 250, 12

#: Minimum bytes of a value by type; values of other types have at least one.
_MIN_BYTES = {"null": 0, "float": 4, "double": 8}


@dataclass
class RowSchema:
    """A schema for reading rows with fastavro, and the maximal memory of rows in bytes."""

    parsed_schema: Any
    fixed_memory: int = 0  # of a row, however short it is
    memory_per_byte: int = _TEXT  # of a row, for each of its bytes
    is_recursive: bool = False


def row_schema(schema: Any) -> RowSchema:
    """Return the conversion for rows of a schema.

    Raises BrokenError, and the errors of fastavro for an invalid schema.
    """
    names: dict[str, Any] = {}
    parsed_schema = fastavro.parse_schema(_with_readers(schema), names)
    result = RowSchema(parsed_schema)
    min_bytes, result.fixed_memory = _Measure(names, result).of(parsed_schema)
    if not min_bytes:
        raise BrokenError("its rows take no bytes")
    return result


def _with_readers(schema: Any) -> Any:
    """Return a schema without parts irrelevant to its rows, and with the logical types of this module."""
    if isinstance(schema, list):
        return [_with_readers(branch) for branch in schema]
    if isinstance(schema, str):
        return _with_logical_type(schema, {}) if schema in {"float", "double"} else schema
    kind = schema["type"]
    if not isinstance(kind, str):
        return _with_readers(kind)
    schema_of_name = {key: schema[key] for key in ("name", "namespace", "symbols", "size") if key in schema}
    match kind:
        case "record" | "error":
            fields = [{"name": member["name"], "type": _with_readers(member["type"])} for member in schema["fields"]]
            return {"type": "record", **schema_of_name, "fields": fields}
        case "array" | "map":
            inner = "items" if kind == "array" else "values"
            return {"type": kind, inner: _with_readers(schema[inner])}
        case _:
            return _with_logical_type(kind, schema) | schema_of_name


def _with_logical_type(kind: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a type with this module's equivalent of its logical type, if there is one."""
    logical = "number" if kind in {"float", "double"} else schema.get("logicalType")
    if (kind, logical) not in _READERS:
        return {"type": kind}
    return {"type": kind, "logicalType": f"{__name__}.{logical}", "scale": schema.get("scale", 0)}


@dataclass
class _Measure:
    """Measures the values of a schema: their minimum bytes and their memory."""

    names: Mapping[str, Any]
    result: RowSchema
    sizes: dict[str, tuple[int, int] | None] = field(default_factory=dict)  # None while it is being measured

    def of(self, schema: Any) -> tuple[int, int]:
        """Return the minimum bytes of a value, and its memory without the contents of texts, arrays and maps."""
        if isinstance(schema, list):
            sizes = [self.of(branch) for branch in schema]
            return 1 + min(min_bytes for min_bytes, _ in sizes), max(memory for _, memory in sizes)
        if isinstance(schema, str):
            return self._of_name(schema) if schema in self.names else (_MIN_BYTES.get(schema, 1), _VALUE)
        name = schema.get("name")
        return self._of_name(name) if name in self.names else self._of_type(schema)

    def _of_name(self, name: str) -> tuple[int, int]:
        if name not in self.sizes:
            self.sizes[name] = None
            self.sizes[name] = self._of_type(self.names[name])
        size = self.sizes[name]
        if size is None:
            self.result.is_recursive = True
            return 1, _VALUE
        return size

    def _of_type(self, schema: Any) -> tuple[int, int]:
        match schema["type"]:
            case "record":
                return self._record(schema)
            case "array":
                self._note_repetition(*self.of(schema["items"]))
                return 1, _VALUE
            case "map":
                min_bytes, memory = self.of(schema["values"])
                self._note_repetition(1 + min_bytes, _VALUE + memory)
                return 1, _OBJECT
            case "enum":
                return 1, _VALUE + max(map(len, schema["symbols"]))
            case "fixed":
                return schema["size"], _VALUE
            case kind:
                return _MIN_BYTES.get(kind, 1), _VALUE

    def _record(self, schema: Any) -> tuple[int, int]:
        fields = [(member["name"], *self.of(member["type"])) for member in schema["fields"]]
        memory = _OBJECT + sum(_TEXT * len(name) + memory for name, _, memory in fields)
        if self.result.is_recursive:  # each level takes a byte
            self._note_repetition(1, memory)
        return sum(min_bytes for _, min_bytes, _ in fields), memory

    def _note_repetition(self, min_bytes: int, memory: int) -> None:
        """Note the memory of repeated values, such as the elements of an array, per byte."""
        if not min_bytes:
            raise BrokenError("it has arrays of values that take no bytes")
        self.result.memory_per_byte = max(self.result.memory_per_byte, -(-memory // min_bytes))


def _moment(unit: int) -> Callable[[int, Any, Any], str | int]:
    """Return the reader of numbers in `unit` per second: as ISO 8601, in UTC."""

    def convert(value: int, *_: Any) -> str | int:
        seconds, fraction = divmod(value, unit)
        try:
            moment = _EPOCH + timedelta(seconds=seconds)
        except OverflowError:  # beyond the year 9999: unchanged
            return value
        digits = f".{fraction:0{len(str(unit)) - 1}d}" if fraction else ""
        return f"{moment:%Y-%m-%dT%H:%M:%S}{digits}+00:00" if moment.year >= 1000 else value  # noqa: PLR2004 - 4 digits

    return convert


def _clock(unit: int) -> Callable[[int, Any, Any], str | int]:
    def convert(value: int, *_: Any) -> str | int:
        microseconds = value * (1_000_000 // unit)
        if not 0 <= microseconds < 86_400_000_000:  # noqa: PLR2004 - of a day
            return value
        return (_EPOCH + timedelta(microseconds=microseconds)).time().isoformat()

    return convert


def _day(value: int, *_: Any) -> str | int:
    try:
        return (_FIRST_DAY + timedelta(days=value)).isoformat()
    except OverflowError:
        return value


def _decimal(value: bytes, schema: Any, _: Any) -> str | bytes:
    scale = schema["scale"]
    if not value or len(value) > _LARGEST_DECIMAL or type(scale) is not int or not 0 <= scale <= _MOST_DIGITS:
        return value
    number = int.from_bytes(value, "big", signed=True)
    digits = tuple(map(int, str(abs(number))))
    return format(Decimal((int(number < 0), digits, -scale)), "f")


def _number(value: float, *_: Any) -> float | str:
    """Return a number unchanged, or a text if JSON has no form for it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _uuid(value: bytes, *_: Any) -> str | bytes:
    return str(UUID(bytes=value)) if len(value) == _UUID_BYTES else value


#: Converters to JSON by Avro type and logical type; "number" is the logical type of all fractional numbers.
_READERS: dict[tuple[str, Any], Callable[..., Any]] = {
    ("float", "number"): _number,
    ("double", "number"): _number,
    ("int", "date"): _day,
    ("int", "time-millis"): _clock(1_000),
    ("long", "time-micros"): _clock(1_000_000),
    ("fixed", "uuid"): _uuid,
    **{(kind, "decimal"): _decimal for kind in ("bytes", "fixed")},
    **{
        ("long", f"{where}timestamp-{name}"): _moment(unit)
        for where in ("", "local-")
        for name, unit in (("millis", 10**3), ("micros", 10**6), ("nanos", 10**9))
    },
}

LOGICAL_READERS.update({f"{kind}-{__name__}.{logical}": reader for (kind, logical), reader in _READERS.items()})

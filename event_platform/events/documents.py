"""Read YAML and JSON files that people write, within limits. Ambiguous files (with a repeated key) are rejected."""

import json
import math
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

#: No schema needs more. A larger file is something else, or an attack.
MAX_BYTES = 1 << 20
#: Values in a YAML file, with aliases expanded.
_MAX_VALUES = 100_000
#: Depth of nesting. The YAML parser, which is written in C, crashes the process at about ten thousand.
_MAX_DEPTH = 100

#: The safe loader written in C, if PyYAML has it: five times as fast.
YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class DocumentError(ValueError):
    """A file cannot be read. The message says why; the caller adds the name."""


def read_document(path: Path) -> Any:
    """Parse a file: JSON if its suffix is .json, else YAML. Raises DocumentError."""
    try:
        text = _text(path)
        return _read_json(text) if path.suffix == ".json" else _read_yaml(text)
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise DocumentError(" ".join(str(error).split())) from error
    except (LookupError, TypeError, AttributeError, ArithmeticError) as error:  # what PyYAML makes of `!!bool x`
        raise DocumentError(f"a value is not what its tag says: {' '.join(str(error).split())}") from error


def find_value_faults(value: Any, where: str = "", depth: int = 0) -> Iterator[str]:
    """Yield a fault for each value that JSON cannot hold: a key such as `on` or `1`, a date, half a surrogate pair."""
    if depth > _MAX_DEPTH:
        yield f"{where[:100]}…: more than {_MAX_DEPTH} objects and lists within each other"
    elif isinstance(value, dict):
        for key, below in value.items():
            if not isinstance(key, str):
                yield f"{where}{key}: YAML does not take this key for a text; put it in quotes"
            elif has_surrogate(key):
                yield f"{where}{key!r}: half of a surrogate pair is not a character"
            yield from find_value_faults(below, f"{where}{key}.", depth + 1)
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from find_value_faults(below, f"{where}{number}.", depth + 1)
    elif fault := _scalar_fault(value):
        yield f"{where.rstrip('.')}: {fault}"


def _scalar_fault(value: Any) -> str | None:
    if isinstance(value, str):
        return f"{value[:100]!r}: half of a surrogate pair is not a character" if has_surrogate(value) else None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} is not a number in JSON"
    if isinstance(value, int | None):
        return None
    return f"YAML does not take {str(value)!r} for a text; put it in quotes"


def has_surrogate(text: str) -> bool:
    """Return whether a text holds half a surrogate pair, which cannot be encoded."""
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def read_regular_file(path: Path, limit: int) -> bytes:
    """Return the content of a regular file of up to `limit` bytes.

    Raises OSError, and DocumentError for other files.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe or a device may block, or never end
        raise DocumentError("not a regular file")
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise DocumentError(f"larger than {limit:,} bytes")
    return data


def _text(path: Path) -> str:
    return read_regular_file(path, MAX_BYTES).decode()


def _read_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except _KeyTwiceError:
        with suppress(yaml.YAMLError):  # JSON is mostly YAML, whose parser knows the line numbers
            _require_unambiguous_yaml(text)
        raise


class _KeyTwiceError(DocumentError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise _KeyTwiceError(f"{key}: the key is written twice")
        values[key] = value
    return values


def _read_yaml(text: str) -> Any:
    _require_unambiguous_yaml(text)
    return yaml.load(text, Loader=YAML_LOADER)  # noqa: S506 - it is a safe loader


@dataclass
class _Collection:
    """An object or list of a YAML file while it is read. `keys` has the keys of an object with their lines."""

    anchor: str | None
    keys: dict[str, int] | None
    values: int = 1  # including itself
    parts: int = 0  # keys and values directly in it; in an object they alternate


def _require_unambiguous_yaml(text: str) -> None:
    """Parse YAML without building values. Raises DocumentError if it is too large or has a key twice."""
    sizes: dict[str, int] = {}  # of what has an anchor
    outer: list[_Collection] = []
    for event in yaml.parse(text, Loader=YAML_LOADER):
        if isinstance(event, yaml.ScalarEvent):
            _require_new_key(outer, event)
            _add(outer, sizes, event.anchor, 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            outer.append(_Collection(event.anchor, {} if isinstance(event, yaml.MappingStartEvent) else None))
            if len(outer) > _MAX_DEPTH:
                raise DocumentError(
                    f"more than {_MAX_DEPTH} objects and lists within each other, in line {_line(event)}"
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            ended = outer.pop()
            _add(outer, sizes, ended.anchor, ended.values)
        elif isinstance(event, yaml.AliasEvent):
            if any(other.anchor == event.anchor for other in outer):  # it refers to a collection that contains it
                raise DocumentError(
                    f"maximum recursion depth exceeded: {event.anchor} is an alias of a collection that contains it"
                )
            _add(outer, sizes, None, sizes.get(str(event.anchor), 1))


def _require_new_key(outer: Sequence[_Collection], event: yaml.ScalarEvent) -> None:
    keys = outer[-1].keys if outer and outer[-1].parts % 2 == 0 else None
    if keys is None:
        return
    line = _line(event)
    if event.value in keys:
        raise DocumentError(f"{event.value}: the key is written twice, in lines {keys[event.value]} and {line}")
    keys[event.value] = line


def _add(outer: Sequence[_Collection], sizes: dict[str, int], anchor: str | None, size: int) -> None:
    """Add a finished value to the collection that contains it."""
    if anchor is not None:
        sizes[anchor] = size
    if outer:
        outer[-1].parts += 1
        outer[-1].values += size
        if outer[-1].values > _MAX_VALUES:
            raise DocumentError(f"more than {_MAX_VALUES:,} values, with aliases expanded")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0

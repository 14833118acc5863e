"""The history of a property: earlier keys (`x-was`) and earlier types (`x-was-type`), which are still read."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

#: By type of a column: earlier types whose values it reads as well, as their JSON text or as midnight.
READ = {"string": ("boolean", "integer", "number"), "date-time": ("date",)}


def earlier_keys(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the earlier keys of a property in the order of the schema, the latest first; none if they are invalid."""
    keys = definition.get("x-was", [])
    is_valid = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    return tuple(dict.fromkeys(keys)) if is_valid else ()


def earlier_types(definition: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    """Return the earlier types of a property of this type, which are still read; none if they are invalid."""
    types = definition.get("x-was-type", [])
    return tuple(sorted(set(types))) if isinstance(types, list) and _are_read(types, kind) else ()


def earlier_faults(definition: Mapping[str, Any], kind: str, *, has_column: bool) -> Iterator[str]:
    """Yield the faults of both keywords of a property."""
    if "x-was" in definition and not (earlier_keys(definition) and has_column):
        yield f"x-was: expected a list of the keys that a property with a column had, got {definition['x-was']!r}"
    if "x-was-type" in definition and not earlier_types(definition, kind):
        reads = "; ".join(f"{name}: {', '.join(types)}" for name, types in READ.items())
        yield (
            "x-was-type: expected a list of the types that the property had and its column can read "
            f"({reads}), got {definition['x-was-type']!r} in {kind}"
        )


def key_faults(keys: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[str]:
    """Yield the conflicts of earlier keys. `keys` are the properties of an object, each with its earlier keys.

    A key belongs to one column, because an event has one value for it.
    """
    named = list(keys)
    taken = {key for key, _ in named}
    for key, earlier in named:
        for old_key in earlier:
            if old_key in taken:
                yield f"{key}: x-was: {old_key!r} is a key of a property as well; take it from one of them"
            taken.add(old_key)


def _are_read(types: list[Any], kind: str) -> bool:
    return all(isinstance(name, str) and name in READ.get(kind, ()) for name in types)

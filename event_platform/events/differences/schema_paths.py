"""The properties of a schema by path, and their locations in the document."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from event_platform.events.catalog import EventType
from event_platform.events.columns import Kind
from event_platform.events.constraints import DOT
from event_platform.events.drift import ANY_KEY, Drift, Path
from event_platform.events.evolution.properties import Property, root_property
from event_platform.events.names import plain_name


@dataclass(frozen=True)
class SchemaPaths:
    """The properties of an event type, including those of objects and values of maps, but not those within arrays."""

    event_type: EventType
    document: Mapping[str, Any]

    @cached_property
    def by_path(self) -> dict[Path, tuple[Path, Property]]:
        """Pointer into the document, and property, by path of keys; the whole schema has an empty one."""
        return {
            path: (pointer, property_)
            for path, pointer, property_ in _walk((), (), root_property(self.event_type, self.document))
        }

    @cached_property
    def by_column(self) -> dict[str, Path]:
        """Paths of keys by the name of the column: `device.os`."""
        # Values of maps have no column.
        properties = {path: each for path, (_, each) in self.by_path.items() if path[-1:] != (ANY_KEY,)}
        return {DOT.join(property_.column_path): path for path, property_ in properties.items() if property_.name}

    @cached_property
    def _present_paths(self) -> dict[Path, Path]:
        """Map the path of a property with an earlier key to its present path."""
        return {(*path[:-1], key): path for path, (_, property_) in self.by_path.items() for key in property_.was}

    def present_path(self, path: Path) -> Path:
        """Return a path with the present keys of properties in place of earlier ones (`x-was`)."""
        present: Path = ()
        for key in path:
            present = self._present_paths.get((*present, key), (*present, key))
        return present

    def with_present_keys(self, drift: Drift) -> Drift:
        """Return the counts by the present keys of properties; counts of earlier keys are added to them."""
        counts = Drift()
        for (outcome, path), count in drift.items():
            counts[outcome, self.present_path(path)] += count
        return counts

    def pointer(self, path: Path) -> Path:
        """Return the location of a property in the document, even if it is missing."""
        entry = self.by_path.get(path)
        return entry[0] if entry else (*self.pointer(path[:-1]), "properties", path[-1])

    @cached_property
    def _personal_names(self) -> frozenset[str]:
        columns = ((path, property_.column) for path, (_, property_) in self.by_path.items())
        return frozenset(plain_name(path[-1]) for path, column in columns if path and column and column.is_personal)

    def is_spelled_as_personal(self, path: Path) -> bool:
        """Return whether an unknown key differs from a personal property's key only in case and separators."""
        return path not in self.by_path and plain_name(path[-1]) in self._personal_names

    @cached_property
    def _plain_keys(self) -> dict[Path, str]:
        """The keys of properties, by path with a last key in lower case without separators."""
        return {(*path[:-1], plain_name(path[-1])): path[-1] for path in self.by_path if path}

    def similar_key(self, path: Path) -> str:
        """Return the key in the same object that differs only in case and separators; "" if there is none."""
        key = self._plain_keys.get((*path[:-1], plain_name(path[-1])), "")
        return key if key != path[-1] else ""

    def is_personal(self, path: Path) -> bool:
        """Return whether a property or one that contains it is personal, or spelled like a personal one."""
        if path and self.is_spelled_as_personal(path):
            return True
        paths = (path[:depth] for depth in range(len(path) + 1))
        columns = (self.by_path[each][1].column for each in paths if each in self.by_path)
        return any(column.is_personal for column in columns if column)


def _walk(path: Path, pointer: Path, property_: Property) -> Iterator[tuple[Path, Path, Property]]:
    yield path, pointer, property_
    if property_.kind is Kind.OBJECT:
        for key, nested in property_.properties().items():
            yield from _walk((*path, key), (*pointer, "properties", key), nested)
    elif property_.kind is Kind.MAP and (value := property_.items()):
        yield from _walk((*path, ANY_KEY), (*pointer, "additionalProperties"), value)

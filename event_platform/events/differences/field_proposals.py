"""The fields of an event type that differ from its schema, each with the change that would fit."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import polars as pl

from event_platform.events.column_names import UniqueNames
from event_platform.events.columns import Column, Kind, typed
from event_platform.events.constraints import DOT
from event_platform.events.differences.arrived import Arrived, Span
from event_platform.events.differences.drafting import Definition, as_variant, draft_fields, empty_types, has_column
from event_platform.events.differences.fitting import fit, is_empty_draft
from event_platform.events.differences.proposal import Edit, Finding, Proposal
from event_platform.events.differences.schema_paths import SchemaPaths
from event_platform.events.draft import JSON_TYPES
from event_platform.events.drift import Outcome, Path
from event_platform.events.event import RESERVED_COLUMNS
from event_platform.events.evolution.contract import describe
from event_platform.events.evolution.properties import Property
from event_platform.events.evolution.widening import column_line
from event_platform.events.personal import MASKED
from event_platform.events.shapes import Shape, identifier_keys

_TYPE = Finding.CHANGED_TYPE
_NOT_SAMPLED = "not in the sample: accept the others, back-fill, and look again"
_ADD = "nothing is lost: it is in _rescued until it has a column, and its days are rebuilt"
_ALIKE = "if it is {} with another key, x-was: [{}] in that property instead; else "
_WIDER = "its column has these values as well from then on; a wider type rebuilds all days of its table"
_MIXED = "no column has it: x-mixed expects these values, which stay in _rescued"
_VARIANT = "no other type has all values: its column has them as JSON texts"
_UNTYPED = "no column has it: the schema knows it, and it stays in _rescued"
_REBUILD = "it has a place in the catalog: event-platform run rebuilds these days"
_OTHER_KEY = "another of its keys (x-was) has the value of the column; where none has, event-platform run rebuilds it"
_KEYS = "its keys look like data, as of a map: x-map: true, additionalProperties in the place of properties, {}"
_KEYS_OF_EVENT = "its keys look like data, and an event is no map: let the producer put them into an object"


def propose_fields(paths: SchemaPaths, arrived: Arrived, taken: Sequence[str]) -> list[Proposal]:
    """Return proposals for the fields in `_rescued`. `taken` are names that no column of the type can have."""
    proposer = _FieldProposer(paths, arrived, taken)
    found = [*proposer.known(), *proposer.unknown()]
    variants = {edit.pointer for each in found for edit in each.edits if "x-variant" in edit.value}
    return [each for each in found if not any(_is_below(edit.pointer, variants) for edit in each.edits)]


def _is_below(pointer: Path, variants: Collection[Path]) -> bool:
    """Return whether a property is in one that becomes a variant, which has all values."""
    return any(pointer[:depth] in variants for depth in range(1, len(pointer)))


@dataclass
class _FieldProposer:
    paths: SchemaPaths
    arrived: Arrived
    taken: Sequence[str]
    _names: dict[Path, UniqueNames] = field(default_factory=dict)

    def known(self) -> Iterator[Proposal]:
        """Yield proposals for properties whose values do not fit."""
        for (outcome, path), span in self.arrived.fields().items():
            if outcome is Outcome.MISFIT:
                yield self._misfit(path, span)
            elif outcome is Outcome.EXPECTED and is_empty_draft(self.paths.by_path[path][1].definition):
                yield from self._drafted(path[:-1], {path: span})

    def unknown(self) -> Iterator[Proposal]:
        """Yield proposals for fields that the schema lacks."""
        levels: dict[Path, dict[Path, Span]] = defaultdict(dict)
        for (outcome, path), span in self.arrived.fields().items():
            if outcome is Outcome.UNKNOWN:
                levels[path[:-1]][path] = span
        for parent, spans in levels.items():
            ids = identifier_keys(path[-1] for path in spans)
            if ids:
                yield self._data_keys(parent, {path: span for path, span in spans.items() if path[-1] in ids})
            yield from self._drafted(parent, {path: span for path, span in spans.items() if path[-1] not in ids})

    def _data_keys(self, parent: Path, spans: Mapping[Path, Span]) -> Proposal:
        """Return the proposal for keys that are data, of an object that has columns or of the event: it has no edit."""
        path, largest = max(spans.items(), key=lambda each: each[1].events)
        name = self.paths.by_path[parent][1].name
        action = _KEYS.format(column_line(name, Kind.MAP)) if name else _KEYS_OF_EVENT
        value = self.arrived.sample.examples.get(path)
        example = f"{msgspec.json.encode(path[-1]).decode()}: {value}" if value else ""
        return self._proposal(Finding.NEW_FIELD, (*parent, "…"), largest, action=action, example=example)

    def _misfit(self, path: Path, span: Span) -> Proposal:
        shape = self.arrived.sample.shapes.get(path)
        if shape is None:
            is_due = path in self.arrived.sample.seen
            return self._has_place(path, span) if is_due else self._proposal(_TYPE, path, span, action=_NOT_SAMPLED)
        whole, shape_of_whole = self._with_column(path, shape)
        old, has_long = self.paths.by_path[whole][1], whole[-1] in self.arrived.has_long and not whole[1:]
        found = fit(_column(old), old.definition, shape_of_whole, has_long=has_long)
        if found is None:
            known = self.paths.by_path[path][1]
            is_variant = known.kind is Kind.VARIANT  # of which half of an emoji is left, which no text holds
            new, action = (_mixed, _MIXED) if is_variant else (as_variant, _VARIANT)
            return self._proposal(_TYPE, path, span, new(known.definition, shape), action)
        if found == old.definition:
            return self._has_place(path, span)
        example = self.arrived.sample.examples.get(path, "")
        is_mixed = {**old.definition, "x-mixed": None} == {**found, "x-mixed": None}
        return self._proposal(_TYPE, whole, span, found, _MIXED if is_mixed else _WIDER, example)

    def _has_place(self, path: Path, span: Span) -> Proposal:
        """Return the proposal for values that fit their column as it is."""
        action = _OTHER_KEY if self.paths.by_path[path][1].was else _REBUILD
        return self._proposal(Finding.REBUILD, path, span, action=action)

    def _with_column(self, path: Path, shape: Shape) -> tuple[Path, Shape]:
        """Return the property that has the column of a value: of a value in a map, the map; and its shape."""
        while path[1:] and self.paths.by_path[path[:-1]][1].kind is Kind.MAP:
            path, shape = path[:-1], Shape(1, 1, Counter({"object": 1}), value=shape)
        return path, shape

    def _drafted(self, parent: Path, spans: Mapping[Path, Span]) -> Iterator[Proposal]:
        """Yield proposals for fields of an object that get their first type."""
        shapes = {path: self.arrived.sample.shapes[path] for path in spans if path in self.arrived.sample.shapes}
        level = self._level(parent)
        definitions = draft_fields({path[-1]: shape for path, shape in shapes.items()}, level, in_array=False)
        for path, span in spans.items():
            drafted = definitions.get(path[-1])
            if drafted is None:
                is_due = path in self.arrived.sample.seen
                finding = Finding.REBUILD if is_due else Finding.NEW_FIELD
                yield self._proposal(finding, path, span, action=_REBUILD if is_due else _NOT_SAMPLED)
                continue
            old = self.paths.by_path[path][1].definition if path in self.paths.by_path else {}
            new, action = _retyped(old, drafted), _VARIANT if "x-variant" in drafted else _ADD
            new |= {"x-personal": True} if self.paths.is_spelled_as_personal(path) else {}
            action = action if has_column(drafted) else _UNTYPED
            if alike := self.paths.spelled_alike(path):
                action = f"{_ALIKE.format(alike, path[-1])}{action}"
            yield self._proposal(Finding.NEW_FIELD, path, span, new, action)

    def _level(self, parent: Path) -> UniqueNames:
        """Return the names that columns of an object can have: not those that its table has already."""
        if parent not in self._names:
            _, found = self.paths.by_path[parent]
            columns = typed(found.column.fields) if found.column else []
            names = {each.name for each in columns} | _stored_names(self.arrived.stored, found.column_path)
            reserved = {*RESERVED_COLUMNS, *map(str.lower, self.taken)} if not parent else set()
            self._names[parent] = UniqueNames(frozenset({name.casefold() for name in names} | reserved))
        return self._names[parent]

    def _proposal(
        self,
        finding: Finding,
        path: Path,
        span: Span,
        new: Definition | None = None,
        action: str = "",
        example: str = "",
    ) -> Proposal:
        old = self.paths.by_path[path][1].definition if path in self.paths.by_path else None
        is_personal = self.paths.is_personal(path)
        return Proposal(
            finding,
            self.paths.event_type.name,
            DOT.join(path),
            span.events,
            self.arrived.share(span.events),
            span.first,
            span.last,
            MASKED if is_personal else example or self.arrived.sample.examples.get(path, ""),
            "" if old is None else describe_whole(old),
            "" if new is None else describe_whole(new),
            action,
            () if new is None else (Edit(self.paths.pointer(path), new),),
            names=tuple(sorted(self.arrived.names.get(path, ()))),
        )


def describe_whole(definition: Mapping[str, Any]) -> str:
    """Return the type of a property, the names of its properties, and what is expected beside it."""
    parts = [describe(definition)]
    if definition.get("properties"):
        parts.append(f"properties: {', '.join(definition['properties'])}")
    if definition.get("x-mixed"):
        parts.append(f"x-mixed: {', '.join(definition['x-mixed'])}")
    return ", ".join(parts)


def _retyped(old: Mapping[str, Any], drafted: Definition) -> Definition:
    """Return the schema of a property that had no values with the type that it has now."""
    of_objects = {"properties"} if "properties" in drafted else {"properties", "required"}
    kept = {key: value for key, value in old.items() if key not in {"type", *of_objects}}
    declared, is_nullable = drafted.get("type"), "null" in old.get("type", ())
    nullable: Definition = {"type": [declared, "null"]} if is_nullable and isinstance(declared, str) else {}
    if has_column(drafted) and (empty := empty_types(old, drafted)):
        nullable["x-mixed"] = sorted({*empty, *drafted.get("x-mixed", ())})
    if "properties" in drafted:
        nullable["properties"] = {**old.get("properties", {}), **drafted["properties"]}
    return {**kept, **drafted, **nullable}


def _mixed(definition: Mapping[str, Any], shape: Shape) -> Definition:
    types = {JSON_TYPES.get(kind, kind) for kind in shape.kinds if kind != "null"}
    return {**definition, "x-mixed": sorted({*types, *definition.get("x-mixed", ())})}


def _column(found: Property) -> Column:
    if found.column is None:  # an event column has its values, which are in no `_rescued`
        raise KeyError(found.path)
    return found.column


def _stored_names(stored: pl.Schema, column_path: Path) -> set[str]:
    fields: Mapping[str, Any] = stored
    for name in column_path:
        dtype = fields.get(name)
        fields = dtype.to_schema() if isinstance(dtype, pl.Struct) else {}
    return set(fields)

"""The fields of an event type that differ from its schema, each with the schema change that resolves it."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import polars as pl

from event_platform.events.column_names import UniqueNames
from event_platform.events.columns import Column, Kind, typed
from event_platform.events.constraints import DOT
from event_platform.events.differences.arrivals import Arrivals, Span
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
_SIMILAR_KEY = "if it is {} with another key, x-was: [{}] in that property instead; else "
_WIDER = "its column has these values as well from then on; a wider type rebuilds all days of its table"
_STAYS_RESCUED = "no column has it: x-mixed expects these values, which stay in _rescued"
_VARIANT = "no other type has all values: its column has them as JSON texts"
_UNTYPED = "no column has it: the schema knows it, and it stays in _rescued"
_REBUILD = "it has a place in the catalog: event-platform run rebuilds these days"
_OTHER_KEY = "another of its keys (x-was) has the value of the column; where none has, event-platform run rebuilds it"
_KEYS = "its keys look like data, as of a map: x-map: true, additionalProperties in the place of properties, {}"
_KEYS_OF_EVENT = "its keys look like data, and an event is no map: let the producer put them into an object"


def propose_fields(paths: SchemaPaths, arrivals: Arrivals, reserved_names: Sequence[str]) -> list[Proposal]:
    """Return proposals for the fields in `_rescued`. No column can have one of `reserved_names`."""
    proposer = _FieldProposer(paths, arrivals, reserved_names)
    proposals = [*proposer.propose_known(), *proposer.propose_unknown()]
    variants = {edit.pointer for each in proposals for edit in each.edits if "x-variant" in edit.value}
    return [each for each in proposals if not any(_is_below(edit.pointer, variants) for edit in each.edits)]


def _is_below(pointer: Path, variants: Collection[Path]) -> bool:
    """Return whether a property is inside one that becomes a variant, which holds all values."""
    return any(pointer[:depth] in variants for depth in range(1, len(pointer)))


@dataclass
class _FieldProposer:
    paths: SchemaPaths
    arrivals: Arrivals
    reserved_names: Sequence[str]
    _names: dict[Path, UniqueNames] = field(default_factory=dict)

    def propose_known(self) -> Iterator[Proposal]:
        """Yield proposals for properties whose values do not fit."""
        for (outcome, path), span in self.arrivals.fields().items():
            if outcome is Outcome.MISFIT:
                yield self._propose_misfit(path, span)
            elif outcome is Outcome.EXPECTED and is_empty_draft(self.paths.by_path[path][1].definition):
                yield from self._propose_drafts(path[:-1], {path: span})

    def propose_unknown(self) -> Iterator[Proposal]:
        """Yield proposals for fields that the schema lacks."""
        levels: dict[Path, dict[Path, Span]] = defaultdict(dict)
        for (outcome, path), span in self.arrivals.fields().items():
            if outcome is Outcome.UNKNOWN:
                levels[path[:-1]][path] = span
        for parent, spans in levels.items():
            ids = identifier_keys(path[-1] for path in spans)
            if ids:
                yield self._propose_map(parent, {path: span for path, span in spans.items() if path[-1] in ids})
            yield from self._propose_drafts(parent, {path: span for path, span in spans.items() if path[-1] not in ids})

    def _propose_map(self, parent: Path, spans: Mapping[Path, Span]) -> Proposal:
        """Return the proposal for keys that are data, in an object or in the event itself: no edit is possible."""
        path, largest = max(spans.items(), key=lambda each: each[1].events)
        name = self.paths.by_path[parent][1].name
        action = _KEYS.format(column_line(name, Kind.MAP)) if name else _KEYS_OF_EVENT
        value = self.arrivals.sample.examples.get(path)
        example = f"{msgspec.json.encode(path[-1]).decode()}: {value}" if value else ""
        return self._proposal(Finding.NEW_FIELD, (*parent, "…"), largest, action=action, example=example)

    def _propose_misfit(self, path: Path, span: Span) -> Proposal:
        shape = self.arrivals.sample.shapes.get(path)
        if shape is None:
            is_due = path in self.arrivals.sample.seen
            return (
                self._propose_rebuild(path, span) if is_due else self._proposal(_TYPE, path, span, action=_NOT_SAMPLED)
            )
        column_path, column_shape = self._with_column(path, shape)
        old, has_long = (
            self.paths.by_path[column_path][1],
            column_path[-1] in self.arrivals.long_columns and not column_path[1:],
        )
        fitted = fit(_column(old), old.definition, column_shape, has_long=has_long)
        if fitted is None:
            property_ = self.paths.by_path[path][1]
            is_variant = property_.kind is Kind.VARIANT  # values with a lone surrogate, which no text can hold
            new, action = (_mixed, _STAYS_RESCUED) if is_variant else (as_variant, _VARIANT)
            return self._proposal(_TYPE, path, span, new(property_.definition, shape), action)
        if fitted == old.definition:
            return self._propose_rebuild(path, span)
        example = self.arrivals.sample.examples.get(path, "")
        is_mixed = {**old.definition, "x-mixed": None} == {**fitted, "x-mixed": None}
        return self._proposal(_TYPE, column_path, span, fitted, _STAYS_RESCUED if is_mixed else _WIDER, example)

    def _propose_rebuild(self, path: Path, span: Span) -> Proposal:
        """Return the proposal for values that already fit their column."""
        action = _OTHER_KEY if self.paths.by_path[path][1].was else _REBUILD
        return self._proposal(Finding.REBUILD, path, span, action=action)

    def _with_column(self, path: Path, shape: Shape) -> tuple[Path, Shape]:
        """Return the path and shape of the property that has a column: of the map, for a value in a map."""
        while path[1:] and self.paths.by_path[path[:-1]][1].kind is Kind.MAP:
            path, shape = path[:-1], Shape(1, 1, Counter({"object": 1}), value=shape)
        return path, shape

    def _propose_drafts(self, parent: Path, spans: Mapping[Path, Span]) -> Iterator[Proposal]:
        """Yield proposals for fields of an object that get their first type."""
        shapes = {path: self.arrivals.sample.shapes[path] for path in spans if path in self.arrivals.sample.shapes}
        names = self._free_names(parent)
        definitions = draft_fields({path[-1]: shape for path, shape in shapes.items()}, names, in_array=False)
        for path, span in spans.items():
            draft = definitions.get(path[-1])
            if draft is None:
                is_due = path in self.arrivals.sample.seen
                finding = Finding.REBUILD if is_due else Finding.NEW_FIELD
                yield self._proposal(finding, path, span, action=_REBUILD if is_due else _NOT_SAMPLED)
                continue
            old = self.paths.by_path[path][1].definition if path in self.paths.by_path else {}
            new, action = _with_first_type(old, draft), _VARIANT if "x-variant" in draft else _ADD
            new |= {"x-personal": True} if self.paths.is_spelled_as_personal(path) else {}
            action = action if has_column(draft) else _UNTYPED
            if similar_key := self.paths.similar_key(path):
                action = f"{_SIMILAR_KEY.format(similar_key, path[-1])}{action}"
            yield self._proposal(Finding.NEW_FIELD, path, span, new, action)

    def _free_names(self, parent: Path) -> UniqueNames:
        """Return the unused column names of an object: those that its table does not have."""
        if parent not in self._names:
            _, parent_property = self.paths.by_path[parent]
            columns = typed(parent_property.column.fields) if parent_property.column else []
            names = {each.name for each in columns} | _stored_names(
                self.arrivals.stored_schema, parent_property.column_path
            )
            reserved = {*RESERVED_COLUMNS, *map(str.lower, self.reserved_names)} if not parent else set()
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
            self.arrivals.share(span.events),
            span.first,
            span.last,
            MASKED if is_personal else example or self.arrivals.sample.examples.get(path, ""),
            "" if old is None else describe_property(old),
            "" if new is None else describe_property(new),
            action,
            () if new is None else (Edit(self.paths.pointer(path), new),),
            names=tuple(sorted(self.arrivals.names.get(path, ()))),
        )


def describe_property(definition: Mapping[str, Any]) -> str:
    """Return the type of a property, the names of its nested properties, and its other expectations."""
    parts = [describe(definition)]
    if definition.get("properties"):
        parts.append(f"properties: {', '.join(definition['properties'])}")
    if definition.get("x-mixed"):
        parts.append(f"x-mixed: {', '.join(definition['x-mixed'])}")
    return ", ".join(parts)


def _with_first_type(old: Mapping[str, Any], draft: Definition) -> Definition:
    """Return the schema of a property that had no values before, with its new type."""
    object_keywords = {"properties"} if "properties" in draft else {"properties", "required"}
    keywords = {key: value for key, value in old.items() if key not in {"type", *object_keywords}}
    name, is_nullable = draft.get("type"), "null" in old.get("type", ())
    changes: Definition = {"type": [name, "null"]} if is_nullable and isinstance(name, str) else {}
    if has_column(draft) and (empty_names := empty_types(old, draft)):
        changes["x-mixed"] = sorted({*empty_names, *draft.get("x-mixed", ())})
    if "properties" in draft:
        changes["properties"] = {**old.get("properties", {}), **draft["properties"]}
    return {**keywords, **draft, **changes}


def _mixed(definition: Mapping[str, Any], shape: Shape) -> Definition:
    types = {JSON_TYPES.get(kind, kind) for kind in shape.kinds if kind != "null"}
    return {**definition, "x-mixed": sorted({*types, *definition.get("x-mixed", ())})}


def _column(property_: Property) -> Column:
    if property_.column is None:  # an event column has its values, so they are never in `_rescued`
        raise KeyError(property_.path)
    return property_.column


def _stored_names(stored: pl.Schema, column_path: Path) -> set[str]:
    fields: Mapping[str, Any] = stored
    for name in column_path:
        dtype = fields.get(name)
        fields = dtype.to_schema() if isinstance(dtype, pl.Struct) else {}
    return set(fields)

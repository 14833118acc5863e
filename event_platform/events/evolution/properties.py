"""The changes between the properties of two schemas of an event type."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, Kind, inner_columns
from event_platform.events.drift import ANY_KEY
from event_platform.events.evolution.change import Change, Impact
from event_platform.events.evolution.contract import accepts_all, describe, describe_difference, rules_of
from event_platform.events.evolution.masking import compare_masking
from event_platform.events.evolution.widening import column_line, is_wider, reading_line

#: Keywords about nested schemas. `additionalProperties` of an object has no effect: unlisted fields are unknown fields.
_NESTED_KEYWORDS = {
    Kind.OBJECT: frozenset(["additionalProperties", "properties", "required"]),
    Kind.MAP: frozenset(["additionalProperties"]),
    Kind.ARRAY: frozenset(["items"]),
}


@dataclass(frozen=True)
class Property:
    """A property of a schema with its column; None if an event column has its values."""

    definition: Mapping[str, Any]
    column: Column | None
    path: str = ""  # of keys
    column_path: tuple[str, ...] = ()
    is_in_personal: bool = False  # whether it is nested in a personal one

    @property
    def kind(self) -> Kind:
        """The type of its column; UNTYPED without a column."""
        return Kind.UNTYPED if self.column is None else self.column.kind

    @property
    def type(self) -> tuple[Kind, tuple[int, int]]:
        """A value that is equal for columns of the same type, ignoring nested columns."""
        return self.kind, self.column.digits if self.column and self.kind is Kind.DECIMAL else (0, 0)

    @property
    def was(self) -> tuple[str, ...]:
        """The earlier keys, which are read as well."""
        return self.column.was if self.column else ()

    @property
    def keys(self) -> frozenset[str]:
        """All keys from which it is read."""
        return frozenset(self.column.keys if self.column else ())

    @property
    def was_types(self) -> frozenset[str]:
        """The earlier types, which are read as well."""
        return frozenset(self.column.was_types if self.column else ())

    @property
    def has_column(self) -> bool:
        """Whether the table has a column for it."""
        return self.kind is not Kind.UNTYPED

    @property
    def name(self) -> str:
        """The name of its column; empty without a column."""
        return self.column.name if self.column and self.has_column else ""

    @property
    def column_name(self) -> str:
        """The path of its column, for display."""
        return ".".join(self.column_path)

    @property
    def is_personal(self) -> bool:
        """Whether its own values are masked, ignoring nested properties."""
        return self.is_in_personal or (self.column is not None and self.column.is_personal)

    @property
    def has_personal(self) -> bool:
        """Whether its values, or any nested ones, are masked."""
        return self.is_personal or any(each.is_personal for each in inner_columns([self.column] if self.column else []))

    @property
    def nested_keywords(self) -> frozenset[str]:
        """The keywords about nested properties, items or map values that are columns: these are compared one by one."""
        return _NESTED_KEYWORDS.get(self.kind, frozenset())

    @property
    def required(self) -> list[str]:
        """The keys that it requires."""
        return list(self.definition.get("required", []))

    def properties(self) -> dict[str, "Property"]:
        """Return its properties by key."""
        columns = {column.field: column for column in self.column.fields} if self.column else {}
        definitions = self.definition.get("properties", {})
        return {key: self._nested(key, definition, columns.get(key), ".") for key, definition in definitions.items()}

    def items(self) -> "Property | None":
        """Return the schema of the items of an array, or of the values of a map."""
        keyword, key, dot = ("additionalProperties", ANY_KEY, ".") if self.kind is Kind.MAP else ("items", "[]", "")
        if self.column is None or self.column.item is None:
            return None
        item = replace(self.column.item, name="item")  # it has no column of its own
        nested = self._nested(key, self.definition.get(keyword), item, dot)
        return replace(nested, column_path=self.column_path)

    def _nested(self, key: str, definition: Any, column: Column | None, dot: str) -> "Property":
        path = f"{self.path}{dot}{key}" if self.path else key
        names = (*self.column_path, column.name) if column else ()
        return Property(definition if isinstance(definition, Mapping) else {}, column, path, names, self.is_personal)


def compare_properties(
    old: tuple[EventType, Mapping[str, Any]], new: tuple[EventType, Mapping[str, Any]]
) -> Iterator[Change]:
    """Yield the changes between two schemas of an event type, each with its document."""
    yield from _compare(new[0].name, root_property(*old), root_property(*new))


def root_property(event_type: EventType, document: Mapping[str, Any]) -> Property:
    """Return a schema as a property: the object that contains all other properties."""
    return Property({"type": "object", **document}, Column("", "", Kind.OBJECT, fields=event_type.columns))


def _compare_objects(event_type: str, old: Property, new: Property) -> Iterator[Change]:
    before, after = old.properties(), new.properties()
    successors = {earlier: key for key, each in after.items() for earlier in each.was} | {key: key for key in after}
    for key, old_property in before.items():
        if key in successors:
            yield from _compare(event_type, old_property, after[successors[key]])
        else:
            yield _removal(event_type, old_property)
    common_keys = {successors.get(key, key) for key in before}
    for key in [key for key in after if key not in common_keys]:
        yield _addition(event_type, after[key], is_required=key in new.required)
    required = {successors.get(key, key) for key in old.required}
    yield from _compare_required(event_type, required, new, set(after) - common_keys, common_keys - set(after))


def _compare_required(
    event_type: str, required: set[str], new: Property, added_keys: set[str], removed_keys: set[str]
) -> Iterator[Change]:
    prefix = f"{new.path}." if new.path else ""
    for key in sorted(set(new.required) - required - added_keys):
        action = "events without it break the rule: leave it optional until every producer sends it"
        yield Change(Impact.BREAKING, event_type, prefix + key, "", "required", action)
    for key in sorted(required - set(new.required) - removed_keys):
        yield Change(Impact.COMPATIBLE, event_type, prefix + key, "required", "", "nothing")


def _addition(event_type: str, new: Property, *, is_required: bool) -> Change:
    impact, action = Impact.COMPATIBLE, "nothing; values that came before are in _rescued until their days are rebuilt"
    if is_required:
        impact, action = Impact.BREAKING, "events without it break the rule: leave it optional at first"
    after = describe(new.definition) + (", required" if is_required else "")
    return Change(impact, event_type, new.path, "", after, action, new.column_path)


def _removal(event_type: str, old: Property) -> Change:
    impact, action = Impact.BREAKING, "its values are unknown fields from now on: keep the property"
    if old.column is None:
        impact, action = Impact.COMPATIBLE, "nothing"
    elif old.name:
        action = (
            f"column {old.column_name} is null from now on, and values that come are in _rescued: keep the property"
        )
    return Change(impact, event_type, old.path, describe(old.definition), "", action, old.column_path)


def _compare(event_type: str, old: Property, new: Property) -> Iterator[Change]:
    nested_keywords = old.nested_keywords | new.nested_keywords
    rules = rules_of(old.definition, nested_keywords), rules_of(new.definition, nested_keywords)
    if judgement := _judge(old, new, *rules):
        sides = describe_difference(*rules)
        if sides == ("", "") or (old.name, old.type) != (new.name, new.type):
            sides = describe(old.definition), describe(new.definition)
        yield Change(judgement[0], event_type, new.path, *sides, judgement[1], new.column_path)
    is_same = old.type == new.type
    if old.is_in_personal == new.is_in_personal:  # otherwise it follows from the enclosing property
        before, after = (each.is_personal if is_same else each.has_personal for each in (old, new))
        yield from compare_masking(event_type, new.path, new.column_path, before=before, after=after)
    if is_same:
        if old.kind is Kind.OBJECT:
            yield from _compare_objects(event_type, old, new)
        if (item := old.items()) and (new_item := new.items()):
            yield from _compare(event_type, item, new_item)


def _judge(
    old: Property, new: Property, old_rules: Mapping[str, Any], new_rules: Mapping[str, Any]
) -> tuple[Impact, str] | None:
    """Return the impact of a change of a property, and advice; None if nothing changed."""
    if fault := _fault(old, new, old_rules, new_rules):
        return Impact.BREAKING, fault
    if action := _backfill(old, new):
        return Impact.BACKFILL, action
    return (Impact.COMPATIBLE, "nothing") if (old_rules, old.keys) != (new_rules, new.keys) else None


def _fault(old: Property, new: Property, old_rules: Mapping[str, Any], new_rules: Mapping[str, Any]) -> str | None:
    """Return the advice if events or the table break; else None."""
    if fault := _column_fault(old, new):
        return fault
    gets_column = new.has_column and not old.has_column
    if not accepts_all(new_rules, old_rules) and not (gets_column and "type" not in old_rules):
        return _keep_accepting(old, new, old_rules, new_rules)
    lost_keys = ", ".join(sorted(old.keys - new.keys))
    return f"values of the key {lost_keys} are unknown fields from now on: keep it in x-was" if lost_keys else None


def _backfill(old: Property, new: Property) -> str | None:
    """Return the advice if earlier days differ from future ones; else None."""
    if not new.has_column:
        return None
    if not old.has_column:
        return f"its values are in _rescued: event-platform run moves them to {new.column_name}"
    if old.name != new.name:
        return f"event-platform run moves earlier days from {old.column_name}: read {new.column_name}"
    if old.type != new.type:
        return "event-platform run rebuilds all days of the table in one commit"
    if new.was_types - old.was_types or set(new.was) - old.keys:
        return f"earlier values are in _rescued: event-platform run moves them to {new.column_name}"
    return None


def _column_fault(old: Property, new: Property) -> str | None:
    """Return the advice if a column loses its values, or a table cannot get the new column; else None."""
    if not old.has_column:
        return None
    if not new.has_column:
        return f"column {old.column_name} is null from now on, and values are in _rescued: keep the type"
    if old.column_path == new.column_path:
        line = column_line(old.name, new.kind)
        fault = f"column {old.column_name} keeps its type or gets a wider one: give the property a new column, {line}"
        return fault if old.type != new.type and not is_wider(new.kind, old.kind) else None
    differ_in_case = old.name != new.name and old.name.lower() == new.name.lower()
    return f"readers of Delta ignore case: x-column: {old.name}, or another name" if differ_in_case else None


def _keep_accepting(old: Property, new: Property, old_rules: Mapping[str, Any], new_rules: Mapping[str, Any]) -> str:
    if old.column_path == new.column_path and (line := reading_line(new.kind, old.kind)) and not new.was_types:
        return f"values of the earlier type go to _rescued, in all days: {line} reads them into the column"
    if old_rules.get("type") != new_rules.get("type"):
        return "values of the earlier type do not fit: list it in x-mixed while producers send it"
    return "values that were good break the rule from now on: keep the rule until producers have changed"

"""Event names that are not in the catalog: new types, or other names of known types."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from event_platform.events.catalog import Catalog, EventType, key_of
from event_platform.events.differences.arrived import Span
from event_platform.events.differences.proposal import Edit, Finding, How, Proposal
from event_platform.events.personal import MASKED, personal_paths

_NEW = "its events are in unregistered_events: with a schema they move to a table of their own"
_ID = "the name has an id in it: event_name in envelope.yaml should name no field that has one"
_NO_BODY = "no event of it is in the sample: draft its schema with event-platform catalog draft"
_SAME_TABLE = "the name gives the same table: one type, by x-names"
_ALIKE = "if it is the same event, accept it by this name: they become one type; else write a schema with this title"


@dataclass(frozen=True)
class Names:
    """The names of events that the catalog lacks."""

    spans: Mapping[str, Span]
    events: int  # of all names on the days looked at
    meant: Mapping[str, str] = field(default_factory=dict)  # similar registered names
    with_ids: Collection[str] = ()
    schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # drafted from a sample
    examples: Mapping[str, str] = field(default_factory=dict)  # bodies


def propose_names(catalog: Catalog, names: Names) -> Iterator[Proposal]:
    """Yield proposals for the names, the most frequent first. Of new names with one table, the first is the type."""
    by_key = {event_type.key.lower(): event_type for event_type in catalog.event_types}
    drafted: dict[str, str] = {}
    for name, span in sorted(names.spans.items(), key=lambda each: (-each[1].events, each[0])):
        key = key_of(name).lower()
        known = by_key.get(key) or catalog.by_name.get(names.meant.get(name, ""))
        new = Proposal(
            Finding.NEW_NAME,
            name,
            "",
            span.events,
            span.events / max(1, names.events),
            span.first,
            span.last,
            names.examples.get(name, ""),
            "",
            "",
            _NO_BODY,
        )
        if name in names.with_ids:
            yield replace(new, action=_ID)
        elif known:
            yield _alias(new, known)
        elif key in drafted:
            yield _other_name(new, drafted[key], _SAME_TABLE)
        elif name in names.schemas:
            drafted[key] = name
            schema = names.schemas[name]
            after = f"a schema with {', '.join(schema['properties']) or 'no properties'}"
            yield replace(new, after=after, action=_NEW, edits=(Edit((), schema),))
        else:
            yield new


def _alias(new: Proposal, known: EventType) -> Proposal:
    is_personal = new.example and any(personal_paths(known.columns))
    action = _SAME_TABLE if key_of(new.event_type).lower() == known.key.lower() else _ALIKE
    return _other_name(replace(new, example=MASKED) if is_personal else new, known.name, action)


def _other_name(new: Proposal, known: str, action: str) -> Proposal:
    name = new.event_type
    edits = (Edit(("x-names",), name, How.APPEND),)
    return replace(
        new,
        finding=Finding.LIKE_KNOWN,
        event_type=known,
        path=name,
        after=f"x-names: {name}",
        action=action,
        edits=edits,
    )

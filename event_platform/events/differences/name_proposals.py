"""Event names that are not in the catalog: new types, or other names of known types."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from event_platform.events.catalog import Catalog, EventType, key_of
from event_platform.events.differences.arrivals import JoiningEvent, Span
from event_platform.events.differences.proposal import Edit, Finding, Operation, Proposal
from event_platform.events.names import plain_name
from event_platform.events.personal import MASKED, personal_paths

_NEW_TYPE = "its events are in unregistered_events: with a schema they move to a table of their own"
_NAMES_WITH_IDS = "{:,} names that differ in an id alone: event_name in envelope.yaml should name no field that has one"
_NO_BODY = "no event of it is in the sample: draft its schema with event-platform catalog draft"
_SAME_TABLE = "the name gives the same table: one type, by x-names"
_SAME_NAME = "it differs in case and separators alone: one type, by x-names; or another event, by --new"
_SIMILAR_NAME = (
    "if it is the same event, accept it by this name: they become one type; if it is another one, with --new"
)


@dataclass(frozen=True)
class Choice:
    """The user's choice for names that are similar to known names."""

    alias_names: frozenset[str] = frozenset()  # other names of known events
    new_names: frozenset[str] = frozenset()  # names of separate events


@dataclass(frozen=True)
class NewNames:
    """The names of events that the catalog lacks."""

    spans: Mapping[str, Span]
    events: int  # of all names on the examined days
    known_types: Mapping[str, EventType] = field(
        default_factory=dict
    )  # by name: the known types of which they are other names
    names_with_ids: Collection[str] = ()  # names that differ in an id alone
    pattern: str = ""  # of these names, with … for the id
    schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # drafted from a sample
    examples: Mapping[str, str] = field(default_factory=dict)  # bodies
    #: Events in unregistered_events that will be in the table of a type, by the name of the type: a sample.
    joining: Mapping[str, Sequence[JoiningEvent]] = field(default_factory=dict)


def find_known(catalog: Catalog, names: Iterable[str], similar_names: Mapping[str, str]) -> dict[str, EventType]:
    """Return the known type of each name that has one: the same table, or the name in `similar_names`."""
    by_key = {event_type.key.lower(): event_type for event_type in catalog.event_types}
    types = {
        name: by_key.get(key_of(name).lower()) or catalog.by_name.get(similar_names.get(name, "")) for name in names
    }
    return {name: event_type for name, event_type in types.items() if event_type}


def first_names(names: Mapping[str, int]) -> dict[str, str]:
    """Return the name of the new type for each new name: the most frequent name with the same table."""
    names_by_key: dict[str, str] = {}
    names_by_count = sorted(names, key=lambda name: (-names[name], name))
    return {name: names_by_key.setdefault(key_of(name).lower(), name) for name in names_by_count}


def propose_names(names: NewNames) -> Iterator[Proposal]:
    """Yield proposals for the names. If several new names have one table, the most frequent name becomes the type."""
    type_names = first_names({name: span.events for name, span in names.spans.items() if name not in names.known_types})
    if names.names_with_ids:
        spans = [names.spans[name] for name in names.names_with_ids]
        days = [day for span in spans for day in (span.first, span.last) if day is not None]
        total = Span(sum(span.events for span in spans), min(days, default=None), max(days, default=None))
        yield replace(_propose_name(names, names.pattern, total), action=_NAMES_WITH_IDS.format(len(spans)))
    for name, span in names.spans.items():
        proposal = _propose_name(names, name, span)
        if name in names.names_with_ids:
            continue
        if name in names.known_types:
            yield _propose_alias(proposal, names.known_types[name])
        elif type_names[name] != name and type_names[name] in names.schemas:
            yield _alias_proposal(proposal, type_names[name], _SAME_TABLE)
        elif name in names.schemas:
            schema = names.schemas[name]
            after = f"a schema with {', '.join(schema['properties']) or 'no properties'}"
            yield replace(proposal, after=after, action=_NEW_TYPE, edits=(Edit((), schema),))
        else:
            yield proposal


def _propose_name(names: NewNames, name: str, span: Span) -> Proposal:
    share, example = span.events / max(1, names.events), names.examples.get(name, "")
    return Proposal(Finding.NEW_NAME, name, "", span.events, share, span.first, span.last, example, "", "", _NO_BODY)


def _propose_alias(proposal: Proposal, known: EventType) -> Proposal:
    is_personal = proposal.example and any(personal_paths(known.columns))
    return _alias_proposal(
        replace(proposal, example=MASKED) if is_personal else proposal,
        known.name,
        _alias_action(proposal.event_type, known),
    )


def _alias_action(name: str, known: EventType) -> str:
    if key_of(name).lower() == known.key.lower():
        return _SAME_TABLE
    return _SAME_NAME if plain_name(name) == plain_name(known.name) else _SIMILAR_NAME


def _alias_proposal(proposal: Proposal, known: str, action: str) -> Proposal:
    name = proposal.event_type
    edits = (Edit(("x-names",), name, Operation.APPEND),)
    return replace(
        proposal,
        finding=Finding.LIKE_KNOWN,
        event_type=known,
        path=name,
        after=f"x-names: {name}",
        action=action,
        edits=edits,
    )

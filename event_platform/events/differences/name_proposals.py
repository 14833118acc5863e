"""Names of events that the catalog lacks: a type of their own, or another name of one that is known."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from event_platform.events.catalog import Catalog, EventType, key_of
from event_platform.events.differences.arrived import JoiningEvent, Span
from event_platform.events.differences.proposal import Edit, Finding, How, Proposal
from event_platform.events.names import plain_name
from event_platform.events.personal import MASKED, personal_paths

_NEW = "its events are in unregistered_events: with a schema they move to a table of their own"
_IDS = "{:,} names that differ in an id alone: event_name in envelope.yaml should name no field that has one"
_NO_BODY = "no event of it is in the sample: draft its schema with event-platform catalog draft"
_SAME_TABLE = "the name gives the same table: one type, by x-names"
_SAME_NAME = "it differs in case and separators alone: one type, by x-names; or another event, by --new"
_ALIKE = "if it is the same event, accept it by this name: they become one type; if it is another one, with --new"


@dataclass(frozen=True)
class Choice:
    """What a person says of names that are like known ones."""

    same: frozenset[str] = frozenset()  # other names of the events that they are like
    new: frozenset[str] = frozenset()  # events of their own


@dataclass(frozen=True)
class Names:
    """The names of events that the catalog lacks."""

    spans: Mapping[str, Span]
    events: int  # of all names on the days looked at
    known: Mapping[str, EventType] = field(default_factory=dict)  # types that they are other names of
    with_ids: Collection[str] = ()  # names that differ in an id alone
    pattern: str = ""  # of these, with … in the place of the id
    schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # drafted from a sample
    examples: Mapping[str, str] = field(default_factory=dict)  # bodies
    #: Events in unregistered_events that will be in the table of a type, by the name of the type: a sample.
    joining: Mapping[str, Sequence[JoiningEvent]] = field(default_factory=dict)


def find_known(catalog: Catalog, names: Iterable[str], meant: Mapping[str, str]) -> dict[str, EventType]:
    """Return the type of the catalog that each name is another name of, by its table or as `meant`; if there is one."""
    by_key = {event_type.key.lower(): event_type for event_type in catalog.event_types}
    found = {name: by_key.get(key_of(name).lower()) or catalog.by_name.get(meant.get(name, "")) for name in names}
    return {name: known for name, known in found.items() if known}


def first_names(names: Mapping[str, int]) -> dict[str, str]:
    """Return for each new name the one that becomes the type: the most frequent of those that give one table."""
    found: dict[str, str] = {}
    ordered = sorted(names, key=lambda name: (-names[name], name))
    return {name: found.setdefault(key_of(name).lower(), name) for name in ordered}


def propose_names(names: Names) -> Iterator[Proposal]:
    """Yield proposals for the names. Of new names with one table, the most frequent one is the type."""
    first = first_names({name: span.events for name, span in names.spans.items() if name not in names.known})
    if names.with_ids:
        found = [names.spans[name] for name in names.with_ids]
        days = [day for span in found for day in (span.first, span.last) if day is not None]
        like = Span(sum(span.events for span in found), min(days, default=None), max(days, default=None))
        yield replace(_new(names, names.pattern, like), action=_IDS.format(len(found)))
    for name, span in names.spans.items():
        new = _new(names, name, span)
        if name in names.with_ids:
            continue
        if name in names.known:
            yield _alias(new, names.known[name])
        elif first[name] != name and first[name] in names.schemas:
            yield _other_name(new, first[name], _SAME_TABLE)
        elif name in names.schemas:
            schema = names.schemas[name]
            after = f"a schema with {', '.join(schema['properties']) or 'no properties'}"
            yield replace(new, after=after, action=_NEW, edits=(Edit((), schema),))
        else:
            yield new


def _new(names: Names, name: str, span: Span) -> Proposal:
    share, example = span.events / max(1, names.events), names.examples.get(name, "")
    return Proposal(Finding.NEW_NAME, name, "", span.events, share, span.first, span.last, example, "", "", _NO_BODY)


def _alias(new: Proposal, known: EventType) -> Proposal:
    is_personal = new.example and any(personal_paths(known.columns))
    return _other_name(replace(new, example=MASKED) if is_personal else new, known.name, _why(new.event_type, known))


def _why(name: str, known: EventType) -> str:
    if key_of(name).lower() == known.key.lower():
        return _SAME_TABLE
    return _SAME_NAME if plain_name(name) == plain_name(known.name) else _ALIKE


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

"""The changes between two catalogs: event types, their names, settings and properties, and the envelope."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from event_platform.events.catalog import ENVELOPE_FILE, Catalog, EventType, load_with_documents
from event_platform.events.documents import DocumentError, read_document
from event_platform.events.errors import CatalogError
from event_platform.events.evolution.change import Change, Impact
from event_platform.events.evolution.clashes import Clash, find_clashes
from event_platform.events.evolution.contract import describe_difference
from event_platform.events.evolution.derivations import compare_derivations
from event_platform.events.evolution.properties import compare_properties

#: Keywords about the asset, which do not concern the table.
_SETTINGS = ("x-owner", "x-group", "x-freshness", "x-volume")
_PATH_COLUMNS = "path_columns"
_ORDER = (Impact.BREAKING, Impact.BACKFILL, Impact.COMPATIBLE)


@dataclass(frozen=True)
class CatalogFiles:
    """A catalog with its documents: those of schemas by event name, with their files."""

    catalog: Catalog
    documents: Mapping[str, Mapping[str, Any]]
    files: Mapping[str, str]
    envelope: Mapping[str, Any]


def read_catalog_files(folder: Path) -> CatalogFiles:
    """Read a catalog and its documents. Raises CatalogError, one line for each fault."""
    (catalog, documents), envelope = load_with_documents(folder), folder / ENVELOPE_FILE
    try:
        settings = read_document(envelope) if envelope.exists() else None
    except DocumentError as error:
        raise CatalogError(f"{envelope}: cannot be read: {error}") from error
    return CatalogFiles(
        catalog,
        {document["title"]: document for document in documents.values()},
        {document["title"]: file for file, document in documents.items()},
        settings or {},
    )


def compare_catalogs(old: CatalogFiles, new: CatalogFiles) -> list[Change]:
    """Return the changes from one catalog to another: breaking changes first, then by event type."""
    titles = {each.name: each for each in new.catalog.event_types}
    successors = {each.name: _successor(each, old, new) for each in old.catalog.event_types}
    changes = list(_compare_envelopes(old, new))
    for event_type in old.catalog.event_types:
        successor = successors[event_type.name]
        changes += _compare_types(old, new, event_type, successor) if successor else [_removal(old, event_type)]
    successor_names = {each.name for each in successors.values() if each}
    changes += [_addition(new, each) for name, each in titles.items() if name not in successor_names]
    return sorted(changes, key=lambda each: (_ORDER.index(each.impact), each.event_type, each.path))


def _successor(event_type: EventType, old: CatalogFiles, new: CatalogFiles) -> EventType | None:
    """Return the type that now has the events of a type: by name, or the renamed type in the same file."""
    same_name = new.catalog.by_name.get(event_type.name)
    if same_name:
        return same_name
    title = {file: name for name, file in new.files.items()}.get(old.files[event_type.name])
    return new.catalog.by_name[title] if title and title not in old.documents else None


def _removal(old: CatalogFiles, event_type: EventType) -> Change:
    action = "its table stays, and its events are in unregistered_events from now on: keep the schema while they come"
    return Change(Impact.BREAKING, event_type.name, "", "in the catalog", "", action, file=old.files[event_type.name])


def _addition(new: CatalogFiles, event_type: EventType) -> Change:
    action = "nothing; event-platform run moves its events from unregistered_events"
    return Change(Impact.COMPATIBLE, event_type.name, "", "", "in the catalog", action, file=new.files[event_type.name])


def _compare_types(old: CatalogFiles, new: CatalogFiles, before: EventType, after: EventType) -> Iterator[Change]:
    documents = old.documents[before.name], new.documents[after.name]
    changes = [*_compare_names(before, after), *_compare_settings(after.name, *documents)]
    if before.name == after.name or after.name not in old.documents:  # otherwise compared with its own old schema
        columns = [*compare_properties((before, documents[0]), (after, documents[1]))]
        columns += compare_derivations(before, after)
        changes += _with_clashes(after, columns, before)
    file = new.files[after.name]
    yield from (replace(each, file=file) for each in changes)


def _compare_names(before: EventType, after: EventType) -> Iterator[Change]:
    if before.name != after.name:
        yield _renaming(before, after)
    for name in sorted(set(before.other_names) - set(after.names)):
        action = "events of this name are not in its table any more: keep it in x-names"
        yield Change(Impact.BREAKING, after.name, "x-names", name, "", action)
    for name in sorted(set(after.other_names) - set(before.names)):
        action = "events of this name came into another table: event-platform run moves those of the days before"
        yield Change(Impact.BACKFILL, after.name, "x-names", "", name, action)


def _renaming(before: EventType, after: EventType) -> Change:
    impact, action = Impact.COMPATIBLE, "nothing"
    if before.name not in after.names:
        impact, action = Impact.BREAKING, f"events of the earlier name have no table: x-names: [{before.name}]"
    elif before.key != after.key:
        action = f"another table, {after.key}: keep the title, and list the new name in x-names"
        impact = Impact.BREAKING
    return Change(impact, after.name, "title", before.name, after.name, action)


def _compare_settings(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for key in _SETTINGS:
        sides = describe_difference(*({key: each[key]} if key in each else {} for each in (old, new)))
        if sides != ("", ""):
            yield Change(Impact.COMPATIBLE, name, key, *sides, "nothing; it concerns the asset and its checks only")


def _with_clashes(after: EventType, changes: list[Change], before: EventType) -> Iterator[Change]:
    """Yield the changes, and the conflicts of table columns that would make a run fail."""
    stored_schema = before.schema if before.key == after.key else {}
    clashes = {each.column: each for each in find_clashes(stored_schema, after.schema, after.variants)}
    breaking_columns = {each.column for each in changes if each.impact is Impact.BREAKING and each.after}
    yield from (each for each in changes if each.column not in clashes or each.impact is Impact.BREAKING)
    for column, clash in clashes.items():
        if column not in breaking_columns:
            yield _clash(after.name, clash)


def _clash(name: str, clash: Clash) -> Change:
    path = ".".join(clash.column)
    reason = "readers of Delta ignore case" if clash.is_spelling else "a column keeps its type"
    sides = f"column {clash.stored} of another property", f"column {path}"
    return Change(Impact.BREAKING, name, path, *sides, f"{reason}: give it another name with x-column", clash.column)


def _compare_envelopes(old: CatalogFiles, new: CatalogFiles) -> Iterator[Change]:
    before, after = old.catalog.envelope, new.catalog.envelope
    if replace(before, path_columns=()) != replace(after, path_columns=()):
        rules = ({key: each[key] for key in each if key != _PATH_COLUMNS} for each in (old.envelope, new.envelope))
        action = "records are read in another way: load the days before again with event-platform replay"
        yield Change(Impact.BACKFILL, "", "", *describe_difference(*rules), action, file=ENVELOPE_FILE)
    if set(before.path_columns) != set(after.path_columns):
        yield _path_columns(before.path_columns, after.path_columns)


def _path_columns(before: Sequence[str], after: Sequence[str]) -> Change:
    impact, action = Impact.BACKFILL, "event-platform run rebuilds the days before that have values for it"
    if missing := [name for name in before if name not in after]:
        impact, action = Impact.BREAKING, f"column {', '.join(missing)} is null from now on: keep it"
    return Change(impact, "", _PATH_COLUMNS, ", ".join(before), ", ".join(after), action, file=ENVELOPE_FILE)

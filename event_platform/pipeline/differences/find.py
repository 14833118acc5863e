"""The differences between what arrives and what the catalog says."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from event_platform.events.catalog import EventType
from event_platform.events.differences.field_proposals import propose_fields
from event_platform.events.differences.name_proposals import propose_names
from event_platform.events.differences.proposal import Finding, Proposal
from event_platform.events.differences.rule_proposals import propose_rules, propose_unseen
from event_platform.events.differences.schema_paths import SchemaPaths
from event_platform.events.evolution.catalogs import CatalogFiles
from event_platform.lake.lake import Lake
from event_platform.pipeline.differences.names import read_names
from event_platform.pipeline.differences.types import read_arrived
from event_platform.storage.threads import map_threads

_ORDER = list(Finding)


def find_differences(lake: Lake, files: CatalogFiles, broken_share: float) -> list[Proposal]:
    """Return what differs, by kind, the most frequent first: what is new first, what needs no action last.

    A rule is broken if more than `broken_share` of the events of a type break it. What that costs grows with the event
    types and their files of thirty days.
    """

    def of_type(event_type: EventType) -> list[Proposal]:
        return _of_type(lake, event_type, files.documents[event_type.name], broken_share)

    found = [each for proposals in map_threads(of_type, files.catalog.event_types) for each in proposals]
    found += propose_names(files.catalog, read_names(lake, files.catalog))
    named = [replace(each, file=files.files.get(each.event_type, "")) for each in found]
    return sorted(named, key=lambda each: (_ORDER.index(each.finding), -each.events, each.event_type, each.path))


def _of_type(lake: Lake, event_type: EventType, document: Mapping[str, Any], broken_share: float) -> list[Proposal]:
    paths = SchemaPaths(event_type, document)
    arrived = read_arrived(paths, lake.event_table(event_type).snapshot(), broken_share)
    if arrived is None:
        return []
    return [
        *propose_fields(paths, arrived, event_type.path_columns),
        *propose_rules(paths, arrived, broken_share),
        *propose_unseen(paths, arrived),
    ]

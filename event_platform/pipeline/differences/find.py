"""The differences between arriving events and the catalog."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain

import polars as pl

from event_platform.events.catalog import EventType
from event_platform.events.differences.arrivals import Arrivals, JoiningEvent, with_joining
from event_platform.events.differences.field_proposals import propose_fields
from event_platform.events.differences.name_proposals import Choice, propose_names
from event_platform.events.differences.proposal import Finding, Proposal
from event_platform.events.differences.rescued_sample import RescuedSample
from event_platform.events.differences.rule_proposals import propose_rules, propose_unseen
from event_platform.events.differences.schema_paths import SchemaPaths
from event_platform.events.errors import MissingFileError, TableError
from event_platform.events.evolution.catalogs import CatalogFiles
from event_platform.lake.lake import Lake
from event_platform.lake.tables import Table
from event_platform.pipeline.differences.names import read_names
from event_platform.pipeline.differences.types import read_arrivals
from event_platform.storage.errors import one_line
from event_platform.storage.polars_errors import translate_errors
from event_platform.storage.threads import map_threads

_ORDER = list(Finding)


def find_differences(lake: Lake, files: CatalogFiles, broken_share: float, choice: Choice) -> list[Proposal]:
    """Return the differences by kind, the most frequent first: new names first, those without an action last.

    A rule is broken if more than `broken_share` of the events of a type break it. Events in unregistered_events are
    compared with the type that their name belongs to, or will belong to. The cost grows with the event types and with
    their files of thirty days.
    """
    with _translate_read_errors(lake.unregistered_events):
        names = read_names(lake, files.catalog, choice)

    def of_type(event_type: EventType) -> list[Proposal]:
        return _of_type(lake, files, event_type, names.joining.get(event_type.name, ()), broken_share)

    proposals = [*chain.from_iterable(map_threads(of_type, files.catalog.event_types)), *propose_names(names)]
    with_files = [replace(each, file=files.files.get(each.event_type, "")) for each in proposals]
    return sorted(with_files, key=lambda each: (_ORDER.index(each.finding), -each.events, each.event_type, each.path))


@contextmanager
def _translate_read_errors(table: Table) -> Iterator[None]:
    """Raise TableError, with the table and the remedy, if one of its files cannot be read."""
    try:
        with translate_errors():
            yield
    except (OSError, pl.exceptions.PolarsError, MissingFileError) as error:
        raise TableError(
            f"{table.name}: a file cannot be read: {one_line(error)}. event-platform run builds the day of a file that "
            "is missing or damaged again"
        ) from error


def _of_type(
    lake: Lake, files: CatalogFiles, event_type: EventType, joining_events: Sequence[JoiningEvent], broken_share: float
) -> list[Proposal]:
    paths, table = SchemaPaths(event_type, files.documents[event_type.name]), lake.event_table(event_type)
    with _translate_read_errors(table):
        arrivals = read_arrivals(paths, table.snapshot(), broken_share)
    rules = (
        [] if arrivals is None else [*propose_rules(paths, arrivals, broken_share), *propose_unseen(paths, arrivals)]
    )
    if joining_events:
        arrivals = arrivals or Arrivals({}, {}, {}, RescuedSample(paths))
        arrivals = with_joining(arrivals, paths, files.catalog.envelope.consumed, joining_events)
    return rules if arrivals is None else [*propose_fields(paths, arrivals, event_type.path_columns), *rules]

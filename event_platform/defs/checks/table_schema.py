"""The check of each event asset that the next run can write to its table with the current schema.

On a mismatch, a run fails before it could evaluate this check; otherwise each run would store a hundred unchanged
results. Therefore runs omit it (`graph.checks_of_runs`), and `ask_schema_checks` requests it separately for types whose
result changed.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import dagster as dg

from event_platform.checks import table_schema
from event_platform.checks.table_schema import check_table
from event_platform.defs.assets.typed_events import event_key
from event_platform.defs.checks.operation import is_worth_reading
from event_platform.defs.checks.results import Check, to_evaluation
from event_platform.defs.resources.platform import LakeResource
from event_platform.events.catalog import Catalog, EventType
from event_platform.events.errors import raise_panics_as_errors
from event_platform.lake.lake import Lake
from event_platform.storage.polars_errors import translate_generator_errors
from event_platform.storage.threads import map_threads


def build_table_schema_checks(catalog: Catalog) -> dg.AssetChecksDefinition:
    """Return the operation that evaluates the check of the selected event types."""
    types = {_check(event_type).key: event_type for event_type in catalog.event_types}
    specs = [_check(event_type).spec(None) for event_type in catalog.event_types]

    @dg.multi_asset_check(name="table_schema_checks", specs=specs, can_subset=True)
    @translate_generator_errors
    def evaluate(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> Iterator[dg.AssetCheckEvaluation]:
        context.log.addFilter(is_worth_reading)
        selected = [types[key] for key in types if key in context.selected_asset_check_keys]
        yield from evaluate_tables(lake.open(), selected)

    return evaluate


def evaluate_tables(lake: Lake, event_types: Sequence[EventType]) -> list[dg.AssetCheckEvaluation]:
    """Compare event types with their tables. Raises StorageError on transient errors of the store."""
    with raise_panics_as_errors():
        results = map_threads(partial(check_table, lake), event_types, lake.storage.threads)
    return [
        to_evaluation(_check(event_type), None, result) for event_type, result in zip(event_types, results, strict=True)
    ]


def _check(event_type: EventType) -> Check[None]:
    return Check(
        table_schema.NAME,
        event_key(event_type),
        "the next run can write to the table as it is: no column of the catalog has another type, or other case",
        lambda _: (),
    )

"""Which checks `table_schema` are evaluated: those whose latest evaluation is not what tables and catalog give now."""

from datetime import datetime

import dagster as dg

from event_platform.checks import table_schema
from event_platform.defs.automation.requests import Asked, ask_checks, digest
from event_platform.defs.checks.table_schema import evaluate_tables
from event_platform.events.catalog import Catalog
from event_platform.events.errors import TableError
from event_platform.lake.lake import Lake
from event_platform.lake.tables import Table


def ask_schema_checks(instance: dg.DagsterInstance, lake: Lake, catalog: Catalog, now: datetime) -> Asked:
    """Request a run of the checks that would have another result now; of types without a table, none.

    What was evaluated is read from the instance: that is what the UI shows.
    """
    types = [event_type for event_type in catalog.event_types if _is_open(lake.event_table(event_type))]
    wanted = {evaluation.asset_check_key: _in_words(evaluation) for evaluation in evaluate_tables(lake, types)}
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(wanted))
    known = {key: _in_words(record.evaluation) for key, record in latest.items() if record.evaluation}
    outdated = {key: words for key, words in wanted.items() if known.get(key) != words}
    if not outdated:
        return Asked([], [])
    state = digest(f"{key.asset_key.to_user_string()} {words}" for key, words in outdated.items())
    return ask_checks(instance, table_schema.NAME, state, list(outdated), now)


def _is_open(table: Table) -> bool:
    """Return whether a table exists and can be opened. Where it cannot, the run that is due reports the error."""
    try:
        return table.snapshot().delta is not None
    except TableError:
        return False


def _in_words(evaluation: dg.AssetCheckEvaluation) -> str:
    return f"{evaluation.passed} {evaluation.severity.value} {evaluation.description}"

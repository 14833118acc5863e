"""Which `table_schema` checks to evaluate: those whose latest evaluation differs from the present result."""

from datetime import datetime

import dagster as dg

from event_platform.checks import table_schema
from event_platform.defs.automation.requests import RunRequests, ask_checks, digest
from event_platform.defs.checks.table_schema import evaluate_tables
from event_platform.events.catalog import Catalog
from event_platform.events.errors import TableError
from event_platform.lake.lake import Lake
from event_platform.lake.tables import Table


def ask_schema_checks(instance: dg.DagsterInstance, lake: Lake, catalog: Catalog, now: datetime) -> RunRequests:
    """Request a run of the `table_schema` checks whose result would change. Types without a table are skipped.

    The latest results are read from the instance, which is what the UI shows.
    """
    types = [event_type for event_type in catalog.event_types if _is_open(lake.event_table(event_type))]
    results = {evaluation.asset_check_key: _in_words(evaluation) for evaluation in evaluate_tables(lake, types)}
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(results))
    known = {key: _in_words(record.evaluation) for key, record in latest.items() if record.evaluation}
    outdated = {key: words for key, words in results.items() if known.get(key) != words}
    if not outdated:
        return RunRequests([], [])
    state = digest(f"{key.asset_key.to_user_string()} {words}" for key, words in outdated.items())
    return ask_checks(instance, table_schema.NAME, state, list(outdated), now)


def _is_open(table: Table) -> bool:
    """Return whether a table exists and opens. If it does not open, the due run reports the error."""
    try:
        return table.snapshot().delta is not None
    except TableError:
        return False


def _in_words(evaluation: dg.AssetCheckEvaluation) -> str:
    return f"{evaluation.passed} {evaluation.severity.value} {evaluation.description}"

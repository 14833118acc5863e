"""The asset graph: users' own assets with the sources of their tables, and the checks of runs."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import dagster as dg
from dagster import AssetsDefinition

from event_platform.checks import table_schema
from event_platform.events.errors import TableError
from event_platform.lake.derived import OwnAsset, Source
from event_platform.lake.names import checked_name, is_of_platform
from event_platform.lake.registry import DEDUPLICATED_EVENTS

#: The key of the I/O manager whose outputs are tables of the lake.
_IO_MANAGER = "io_manager"

#: An asset that has the partitions of the platform.
_OF_PLATFORM = dg.AssetKey(DEDUPLICATED_EVENTS.name)


def own_assets(graph: Any) -> list[OwnAsset]:
    """Return the users' own assets whose outputs become tables, in topological order."""
    partitions = graph.get(_OF_PLATFORM).partitions_def
    keys = [key for key in graph.toposorted_asset_keys if not is_of_platform(key.to_user_string())]
    nodes = [graph.get(key) for key in keys]
    return [asset for node in nodes if (asset := own_asset(node, partitions)) is not None]


def own_assets_of(
    context: dg.SensorEvaluationContext | dg.ScheduleEvaluationContext, otherwise: Sequence[OwnAsset]
) -> Sequence[OwnAsset]:
    """Return the own assets of the code location of a tick, or `otherwise` if it is unknown."""
    graph = _graph_of(context)
    return otherwise if graph is None else own_assets(graph)


def with_checks(
    context: dg.SensorEvaluationContext | dg.ScheduleEvaluationContext, requests: Sequence[dg.RunRequest]
) -> list[dg.RunRequest]:
    """Return the requests with the checks that their runs evaluate; unchanged if the code location is unknown.

    Requests without assets are dropped if a project has left out all of their checks.
    """
    graph = _graph_of(context)
    return list(requests) if graph is None else list(_with_checks(graph, requests))


def _with_checks(graph: Any, requests: Sequence[dg.RunRequest]) -> Iterator[dg.RunRequest]:
    for request in requests:
        assets, checks = request.asset_selection, request.asset_check_keys or []
        keys = checks_of_runs(graph, assets) if assets else [key for key in checks if key in graph.asset_check_keys]
        if assets or keys:
            yield request.with_replaced_attrs(asset_check_keys=keys)


def checks_of_runs(graph: Any, assets: Iterable[dg.AssetKey]) -> list[dg.AssetCheckKey]:
    """Return the checks that a run of assets evaluates: all except `table_schema`, which is requested separately."""
    chosen = set(assets)
    return [
        key
        for key in graph.asset_check_keys
        if key.asset_key in chosen
        and not (key.name == table_schema.NAME and is_of_platform(key.asset_key.to_user_string()))
    ]


def _graph_of(context: dg.SensorEvaluationContext | dg.ScheduleEvaluationContext) -> Any:
    """Return the asset graph of a tick's code location; None if it is unknown."""
    try:
        repository: Any = context.repository_def
    except dg.DagsterInvariantViolationError:
        return None
    return None if repository is None else repository.asset_graph


def own_asset(node: Any, partitions: dg.PartitionsDefinition[Any] | None) -> OwnAsset | None:
    """Return the table of an asset; None if its output is no table or has other partitions.

    Changes of a source that is mapped by days are followed day by day. A source that is mapped as a whole, or by a
    function of the user, makes nothing due: each change would make every day due.
    """
    if not (node.is_materializable and _is_table(node.key.to_user_string())):
        return None
    own = node.partitions_def
    if not (_becomes_a_table(node.assets_def, node.key) and (own is None or _is_daily(own))):
        return None
    return OwnAsset(
        node.key.to_user_string(),
        frozenset(_sources(node)),
        None if own is None else own.start.date(),
        beside=own == partitions,
    )


def _sources(node: Any) -> Iterator[Source]:
    for key in node.parent_keys:
        name, mapping = key.to_user_string(), node.partition_mappings.get(key)
        if key == node.key or not _is_table(name):  # depending on its own days, each would make the next one due
            continue
        if node.partitions_def is None or mapping is None or isinstance(mapping, dg.IdentityPartitionMapping):
            yield Source(name)
        elif isinstance(mapping, dg.TimeWindowPartitionMapping):
            yield Source(name, mapping.start_offset, mapping.end_offset)


def _is_daily(partitions: dg.PartitionsDefinition[Any]) -> bool:
    return isinstance(partitions, dg.DailyPartitionsDefinition)


def _becomes_a_table(definition: AssetsDefinition, key: dg.AssetKey) -> bool:
    """Return whether the output of an asset goes to the I/O manager of the lake."""
    if not definition.is_executable or definition.get_io_manager_key_for_asset_key(key) != _IO_MANAGER:
        return False
    output = definition.node_def.output_def_named(definition.get_output_name_for_asset_key(key))
    return not output.dagster_type.is_nothing


def _is_table(name: str) -> bool:
    try:
        checked_name(name)
    except TableError:
        return False
    return True

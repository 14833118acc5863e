"""One Dagster operation for the checks of some assets: it evaluates those that are selected, on all days at once."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar

import dagster as dg

from event_platform.defs.checks.verdict import Check, Judged, Verdict, evaluations, judged
from event_platform.defs.partitions import dates_of
from event_platform.defs.resources.platform import LakeResource, RulesResource
from event_platform.events.errors import StorageError, panics_as_errors
from event_platform.lake.lake import Lake
from event_platform.storage.polars_errors import each_explained, explained
from event_platform.storage.threads import each_in_turn

#: Whole columns of so many tables are looked at side by side: enough to wait for a store, few enough for the memory.
_TABLES_AT_ONCE = 4

F = TypeVar("F")


@dataclass(frozen=True)
class CheckedAsset(Generic[F]):
    """The checks of an asset, and what those of them that are selected share, looked up once for all dates."""

    checks: Sequence[Check[F]]
    figures: Callable[[Lake, RulesResource, list[date]], F]


def build_operation(
    name: str, assets: Sequence[CheckedAsset[Any]], partitions: dg.PartitionsDefinition[Any]
) -> dg.AssetChecksDefinition:
    """Return the operation that evaluates the checks of some assets, those that are selected."""
    # Partitioned checks are new in Dagster: its minor version is pinned, and tests depend on them.
    with warnings.catch_warnings(action="ignore", category=dg.PreviewWarning):
        specs = [check.spec(partitions) for each in assets for check in each.checks]

    @dg.multi_asset_check(name=name, specs=specs, can_subset=True)
    @each_explained
    def evaluate(
        context: dg.AssetCheckExecutionContext, lake: LakeResource, rules: RulesResource
    ) -> Iterator[dg.AssetCheckEvaluation | dg.Output[None]]:
        dates, tables = dates_of(context), lake.open()
        selected = [
            (each, checks)
            for each in assets
            if (checks := [check for check in each.checks if check.key in context.selected_asset_check_keys])
        ]

        def judge(one: tuple[CheckedAsset[Any], list[Check[Any]]]) -> list[Judged]:
            asset, checks = one
            try:
                with explained(), panics_as_errors():
                    return judged(checks, asset.figures(tables, rules, dates))
            except Exception as error:
                if isinstance(error, StorageError) and error.transient:
                    raise
                # Whatever it is, it must not stop the checks of other assets.
                return [(check, day, Verdict.of_error(error)) for check in checks for day in dates]

        # Not pl.collect_all, which takes three times as long for a hundred small scans.
        by_asset = each_in_turn(judge, selected, _TABLES_AT_ONCE)
        found = (verdict for verdicts in by_asset for verdict in verdicts)
        yield from evaluations([check for _, checks in selected for check in checks], dates, found)

    return evaluate

"""The Dagster operation that evaluates the selected checks of some assets, on all days of a run."""

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar

import dagster as dg

from event_platform.checks.result import Result
from event_platform.compute.tasks import Progress
from event_platform.defs.assets.reporting import progress_callback
from event_platform.defs.checks.results import Check, Evaluated, evaluate_checks, to_dagster
from event_platform.defs.instance.dagster_internals import log_no_unread_events
from event_platform.defs.partitions import dates_of
from event_platform.defs.resources.platform import LakeResource, RulesResource
from event_platform.events.errors import StorageError, raise_panics_as_errors
from event_platform.lake.lake import Lake
from event_platform.lake.pinned_lake import PinnedLake
from event_platform.storage.polars_errors import translate_errors, translate_generator_errors
from event_platform.storage.threads import imap_threads

F = TypeVar("F")
T = TypeVar("T")


@dataclass(frozen=True)
class CheckedAsset(Generic[F]):
    """The checks of an asset, and the function that reads the figures they share."""

    checks: Sequence[Check[F]]
    figures: Callable[[Lake, RulesResource, list[date]], F]


def is_worth_reading(record: logging.LogRecord) -> bool:
    """Return False for Dagster's log line about checks without an output.

    Only blocking checks have an output, for which downstream steps wait. An output for every other check would be an
    event without a reader; without it, Dagster logs a line that looks like a fault. `to_dagster` finds missing results.
    """
    return "did not yield or return expected outputs" not in record.getMessage()


def build_operation(
    name: str, assets: Sequence[CheckedAsset[Any]], partitions: dg.PartitionsDefinition[Any]
) -> dg.AssetChecksDefinition:
    """Return an operation that evaluates the selected checks of `assets`."""
    # Partitioned checks are a preview in Dagster. Its minor version is pinned and tests cover them.
    with warnings.catch_warnings(action="ignore", category=dg.PreviewWarning):
        specs = [check.spec(partitions) for checked_asset in assets for check in checked_asset.checks]

    @dg.multi_asset_check(name=name, specs=specs, can_subset=True)
    @translate_generator_errors
    def evaluate(
        context: dg.AssetCheckExecutionContext, lake: LakeResource, rules: RulesResource
    ) -> Iterator[dg.AssetCheckEvaluation | dg.Output[None]]:
        context.log.addFilter(is_worth_reading)
        log_no_unread_events(context)
        dates, tables = dates_of(context), PinnedLake(lake.open().storage, is_recent=True)
        selected = [
            (checked_asset, checks)
            for checked_asset in assets
            if (checks := [check for check in checked_asset.checks if check.key in context.selected_asset_check_keys])
        ]

        def evaluate_asset(one: tuple[CheckedAsset[Any], list[Check[Any]]]) -> list[Evaluated]:
            asset, checks = one
            try:
                with translate_errors(), raise_panics_as_errors():
                    return evaluate_checks(checks, asset.figures(tables, rules, dates))
            except Exception as error:
                if isinstance(error, StorageError) and error.transient:
                    raise
                # It must not stop the checks of other assets.
                return [(check, day, Result.from_error(error)) for check in checks for day in dates]

        # Not pl.collect_all, which takes three times as long for a hundred small scans.
        by_asset = imap_threads(evaluate_asset, selected, tables.storage.threads)
        counted = _report(by_asset, len(selected), progress_callback(context))
        evaluations = (result for results in counted for result in results)
        yield from to_dagster([check for _, checks in selected for check in checks], dates, evaluations)

    return evaluate


def _report(items: Iterable[T], total: int, progress: Progress) -> Iterator[T]:
    """Yield the results of each asset, and report the progress."""
    for number, item in enumerate(items, start=1):
        yield item
        progress("checking", number, total)

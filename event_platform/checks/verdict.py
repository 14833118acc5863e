"""What a check finds for one partition, and how it gets to Dagster."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import dagster as dg

from event_platform.report.text import as_markdown

#: Characters of a description, which Dagster draws as Markdown. Names out of the data are in it.
_LENGTH = 2_000

#: The checks that stop what is downstream: the promises that everything else is built on.
BLOCKING = frozenset({"conservation", "unique_event_uuid"})


@dataclass(frozen=True)
class Verdict:
    """One partition's outcome; `severity` matters where it did not pass."""

    passed: bool
    description: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR


def evaluations(
    context: dg.AssetCheckExecutionContext,
    asset: dg.AssetKey,
    verdicts: Mapping[str, Iterable[tuple[date, Verdict]]],
) -> Iterator[dg.AssetCheckEvaluation]:
    """Yield an evaluation for each selected check of `asset` and each partition.

    `AssetCheckResult` cannot carry a partition: a range run would show one verdict for all of its days. A failed
    blocking evaluation fails the step, and with it all that is downstream.
    """
    for name, by_date in verdicts.items():
        if dg.AssetCheckKey(asset, name) in context.selected_asset_check_keys:
            for day, verdict in by_date:
                yield dg.AssetCheckEvaluation(
                    asset_key=asset,
                    check_name=name,
                    passed=verdict.passed,
                    severity=verdict.severity,
                    description=as_markdown(verdict.description, _LENGTH),
                    metadata={key: _metadata(value) for key, value in verdict.metadata.items()},
                    blocking=name in BLOCKING,
                    partition=day.isoformat(),
                )


def done(context: dg.AssetCheckExecutionContext, specs: Iterable[dg.AssetCheckSpec]) -> Iterator[dg.Output[None]]:
    """Yield the outputs that steps downstream of blocking checks wait for."""
    for spec in specs:
        if spec.blocking and spec.key in context.selected_asset_check_keys:
            yield dg.Output(None, output_name=spec.get_python_identifier())


def _metadata(value: Any) -> dg.MetadataValue[Any]:
    match value:
        case int():
            return dg.MetadataValue.int(value)
        case float():
            return dg.MetadataValue.float(value)
        case _:
            return dg.MetadataValue.json(value)

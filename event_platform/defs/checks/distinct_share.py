"""The check `distinct_share` of the quality report, for all event types together.

As a check of each type, it would read the footers of eight weeks again, with one request per file. The report has these
figures already.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from event_platform.checks import shares
from event_platform.checks.judging import join_types
from event_platform.checks.result import Finding, Result
from event_platform.defs.checks.results import Check, evaluate_checks, to_dagster
from event_platform.lake.registry import QUALITY_REPORT

#: What checks found, by day.
Findings = Mapping[date, Sequence[Finding]]


def _join(findings: Findings) -> Iterator[tuple[date, Result]]:
    yield from ((day, join_types(of_day, shares.DISTINCT)) for day, of_day in findings.items())


_CHECK = Check(
    shares.DISTINCT,
    dg.AssetKey(QUALITY_REPORT.name),
    "the share of distinct values in each column of each type is in the band that is usual for this weekday",
    _join,
)

KEY = _CHECK.key


def build_spec(partitions: dg.PartitionsDefinition[Any]) -> dg.AssetCheckSpec:
    """Return the declaration of the check."""
    with warnings.catch_warnings(action="ignore", category=dg.PreviewWarning):  # as of the other checks
        return _CHECK.spec(partitions)


def evaluate(findings: Findings) -> Iterator[dg.AssetCheckEvaluation | dg.Output[None]]:
    """Yield an evaluation for each day, then the output that Dagster expects of a check within its asset's step."""
    yield from to_dagster([_CHECK], findings, evaluate_checks([_CHECK], findings))
    yield dg.Output(None, output_name=_CHECK.output)

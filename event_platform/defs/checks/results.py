"""Declaration of checks for Dagster, and conversion of their results to Dagster's events."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar

import dagster as dg

from event_platform.checks.faults import Fault
from event_platform.checks.result import Result, Severity
from event_platform.events.wording import first_few
from event_platform.quality.text import as_markdown, from_markdown

F = TypeVar("F")

#: Maximum length of a description. Dagster renders it as Markdown, and it may contain names from the data.
_LENGTH = 2_000

#: Metadata of a failed evaluation: its faults with their number of records or values, and its hints.
FAULTS, HINTS = "faults", "hints"

_SEVERITY = {Severity.WARN: dg.AssetCheckSeverity.WARN, Severity.ERROR: dg.AssetCheckSeverity.ERROR}

#: Days without a result that an error names.
_DAYS_NAMED = 3


@dataclass(frozen=True)
class Check(Generic[F]):
    """A check of an asset: its declaration in Dagster and the function that evaluates it.

    `evaluate` takes the figures that the asset's checks share, and returns a result for each date.
    """

    name: str
    asset: dg.AssetKey
    description: str | None
    evaluate: Callable[[F], Iterable[tuple[date, Result]]]
    blocking: bool = False  # a failure stops everything downstream
    also: Sequence[dg.AssetKey] = ()  # further assets that must be materialized before

    @property
    def key(self) -> dg.AssetCheckKey:
        """Key of the check in Dagster."""
        return dg.AssetCheckKey(self.asset, self.name)

    @property
    def output(self) -> str:
        """Name of the operation's output, for which downstream steps wait if the check is blocking."""
        return dg.AssetCheckSpec(self.name, asset=self.asset).get_python_identifier()

    def spec(self, partitions: dg.PartitionsDefinition[Any] | None) -> dg.AssetCheckSpec:
        """Return the declaration for Dagster."""
        return dg.AssetCheckSpec(
            self.name,
            asset=self.asset,
            description=self.description,
            blocking=self.blocking,
            partitions_def=partitions,
            additional_deps=self.also,
        )


#: The result of a check for one date.
Evaluated = tuple[Check[Any], date, Result]


def evaluate_checks(checks: Iterable[Check[F]], figures: F) -> list[Evaluated]:
    """Evaluate checks that share figures."""
    return [(check, day, result) for check in checks for day, result in check.evaluate(figures)]


def to_dagster(
    checks: Sequence[Check[Any]], dates: Collection[date], evaluations: Iterable[Evaluated]
) -> Iterator[dg.AssetCheckEvaluation | dg.Output[None]]:
    """Yield an evaluation for each result, then the outputs for which steps downstream of blocking `checks` wait.

    `AssetCheckResult` has no partition: a run over a range of days would show one result for all of them. A failed
    blocking evaluation fails the step and everything downstream. Raises Failure if one of `checks` has no result on one
    of `dates`, because Dagster would count it as passed.
    """
    days: dict[dg.AssetCheckKey, set[date]] = defaultdict(set)
    for check, day, result in evaluations:
        days[check.key].add(day)
        yield to_evaluation(check, day, result)
    missing = {check.key: sorted(set(dates) - days[check.key]) for check in checks}
    if any(missing.values()):
        raise dg.Failure(
            "checks without a result: "
            + "; ".join(_describe_missing(key, days) for key, days in missing.items() if days),
            allow_retries=False,
        )
    yield from (dg.Output(None, output_name=check.output) for check in checks if check.blocking)


def to_evaluation(check: Check[Any], day: date | None, result: Result) -> dg.AssetCheckEvaluation:
    """Return the evaluation that Dagster stores for a result; `day` is None for an unpartitioned check."""
    return dg.AssetCheckEvaluation(
        asset_key=check.asset,
        check_name=check.name,
        passed=result.passed,
        severity=_SEVERITY[result.severity],
        description=as_markdown(result.description, _LENGTH),
        metadata={key: _metadata(value) for key, value in _with_faults(result).items()},
        blocking=check.blocking,
        partition=None if day is None else day.isoformat(),
    )


def to_result(evaluation: dg.AssetCheckEvaluation) -> Result:
    """Return the result in an evaluation.

    Only the platform's checks have faults and hints; unknown ones, by other authors or later releases, are skipped.
    """
    faults, hints = _mapping(evaluation, FAULTS), _mapping(evaluation, HINTS)
    return Result(
        passed=evaluation.passed,
        description=from_markdown(evaluation.description or ""),
        severity=Severity(evaluation.severity.value.lower()),
        faults={fault: faults[fault] for fault in Fault if isinstance(faults.get(fault), int)},
        hints={fault: hints[fault] for fault in Fault if isinstance(hints.get(fault), str)},
    )


def _with_faults(result: Result) -> dict[str, Any]:
    metadata = {FAULTS: dict(result.faults), HINTS: dict(result.hints)}
    return {**result.metadata, **{name: value for name, value in metadata.items() if value}}


def _mapping(evaluation: dg.AssetCheckEvaluation, name: str) -> Mapping[str, Any]:
    value = evaluation.metadata[name].value if name in evaluation.metadata else None
    return value if isinstance(value, Mapping) else {}


def _describe_missing(key: dg.AssetCheckKey, days: Sequence[date]) -> str:
    return f"{key.name} of {key.asset_key.to_user_string()} on {first_few(days, _DAYS_NAMED)}"


def _metadata(value: Any) -> dg.MetadataValue[Any]:
    match value:
        case int():
            return dg.MetadataValue.int(value)
        case float():
            return dg.MetadataValue.float(value)
        case [{**row}, *_] if row:
            return dg.MetadataValue.table([dg.TableRecord(record) for record in value])
        case _:
            return dg.MetadataValue.json(value)

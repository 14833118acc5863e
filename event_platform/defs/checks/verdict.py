"""What a check finds for one partition, and how it gets to Dagster."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, TypeVar

import dagster as dg

from event_platform.quality.text import as_markdown

F = TypeVar("F")

#: Characters of a description, which Dagster draws as Markdown. Names out of the data are in it.
_LENGTH = 2_000

#: Days of a missing verdict that are named.
_DAYS_NAMED = 3


@dataclass(frozen=True)
class Verdict:
    """One partition's outcome; `severity` matters where it did not pass."""

    passed: bool
    description: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR

    @classmethod
    def of_error(cls, error: Exception) -> "Verdict":
        """Return that of a check which could not be evaluated."""
        return cls(passed=False, description=f"could not be evaluated: {type(error).__name__}: {error}")


@dataclass(frozen=True)
class Check(Generic[F]):
    """A check of an asset: what Dagster is told of it, and what judges its partitions. Neither is without the other.

    `evaluate` takes the figures that all checks of the asset share, and returns a verdict for each date of theirs.
    """

    name: str
    asset: dg.AssetKey
    description: str | None
    evaluate: Callable[[F], Iterable[tuple[date, Verdict]]]
    blocking: bool = False  # where it fails, what is downstream is stopped: for promises that all else is built on
    also: Sequence[dg.AssetKey] = ()  # further assets that have to be there before

    @property
    def key(self) -> dg.AssetCheckKey:
        """What Dagster calls it."""
        return dg.AssetCheckKey(self.asset, self.name)

    @property
    def output(self) -> str:
        """The output of its operation that steps downstream wait for, where it is blocking."""
        return dg.AssetCheckSpec(self.name, asset=self.asset).get_python_identifier()

    def spec(self, partitions: dg.PartitionsDefinition[Any]) -> dg.AssetCheckSpec:
        """Return its declaration."""
        return dg.AssetCheckSpec(
            self.name,
            asset=self.asset,
            description=self.description,
            blocking=self.blocking,
            partitions_def=partitions,
            additional_deps=self.also,
        )


#: The verdict of a check on one date.
Judged = tuple[Check[Any], date, Verdict]


def judged(checks: Iterable[Check[F]], figures: F) -> list[Judged]:
    """Evaluate checks that share figures."""
    return [(check, day, verdict) for check in checks for day, verdict in check.evaluate(figures)]


def evaluations(
    checks: Sequence[Check[Any]], dates: Collection[date], found: Iterable[Judged]
) -> Iterator[dg.AssetCheckEvaluation | dg.Output[None]]:
    """Yield an evaluation for each verdict, then the outputs that steps downstream of blocking `checks` wait for.

    `AssetCheckResult` cannot carry a partition: a range run would show one verdict for all of its days. A failed
    blocking evaluation fails the step, and with it all that is downstream. Raises Failure where one of `checks` has no
    verdict on one of `dates`: Dagster would take it for passed.
    """
    days: dict[dg.AssetCheckKey, set[date]] = defaultdict(set)
    for check, day, verdict in found:
        days[check.key].add(day)
        yield _evaluation(check, day, verdict)
    missing = {check.key: sorted(set(dates) - days[check.key]) for check in checks}
    if any(missing.values()):
        raise dg.Failure(
            f"checks without a verdict: {'; '.join(_unjudged(key, left) for key, left in missing.items() if left)}",
            allow_retries=False,
        )
    yield from (dg.Output(None, output_name=check.output) for check in checks if check.blocking)


def _evaluation(check: Check[Any], day: date, verdict: Verdict) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=check.asset,
        check_name=check.name,
        passed=verdict.passed,
        severity=verdict.severity,
        description=as_markdown(verdict.description, _LENGTH),
        metadata={key: _metadata(value) for key, value in verdict.metadata.items()},
        blocking=check.blocking,
        partition=day.isoformat(),
    )


def _unjudged(key: dg.AssetCheckKey, days: Sequence[date]) -> str:
    named = ", ".join(map(str, days[:_DAYS_NAMED]))
    more = f" and {len(days) - _DAYS_NAMED} more" if len(days) > _DAYS_NAMED else ""
    return f"{key.name} of {key.asset_key.to_user_string()} on {named}{more}"


def _metadata(value: Any) -> dg.MetadataValue[Any]:
    match value:
        case int():
            return dg.MetadataValue.int(value)
        case float():
            return dg.MetadataValue.float(value)
        case _:
            return dg.MetadataValue.json(value)

"""The cost of Dagster itself: as many assets and checks as the platform has, with empty bodies.

    python -m bench.dagster_alone types

The same operations in the same two runs of one day as `event-platform run` has on a catalog of so many types, with
Dagster's records in memory. It imports Dagster and nothing of the platform. Prints what it did as JSON.
"""

import json
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

_DAY = "2025-06-01"
_TAGS = {"dagster/asset_partition_range_start": _DAY, "dagster/asset_partition_range_end": _DAY}
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_PARTITIONS = dg.DailyPartitionsDefinition(start_date="2025-01-01", timezone="UTC", end_offset=1)
_POLICY = dg.BackfillPolicy.single_run()
_COUNTED = (dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION)

#: Names of checks; those of BLOCKING stop what is downstream.
_ARRIVAL, _DAILY = ("conservation", "corruption_rate", "arrival_gaps"), ("conservation", "unique", "duplicate_rate")
_UNREGISTERED, _TYPED = ("conservation", "unregistered_names"), ("unique", "schema_conformance", "volume", "null_share")
_BLOCKING = {"conservation", "unique"}


@dataclass(frozen=True)
class Operation:
    """An operation: its assets, their sources, and the checks of the assets that have some."""

    name: str
    assets: Sequence[str]
    sources: Sequence[str]
    checks: Mapping[str, Sequence[str]]

    def assets_definition(self) -> dg.AssetsDefinition:
        """Return the assets, whose body yields what was materialized."""
        specs = [dg.AssetSpec(asset, deps=self.sources, skippable=True) for asset in self.assets]

        @dg.multi_asset(
            name=self.name, specs=specs, can_subset=True, partitions_def=_PARTITIONS, backfill_policy=_POLICY
        )
        def assets() -> Iterator[dg.MaterializeResult[Any]]:
            yield from (dg.MaterializeResult(asset_key=asset) for asset in self.assets)

        return assets

    def checks_definition(self) -> dg.AssetChecksDefinition:
        """Return the checks, whose body yields that all of them passed."""
        specs = [
            dg.AssetCheckSpec(check, asset=asset, blocking=check in _BLOCKING, partitions_def=_PARTITIONS)
            for asset, checks in self.checks.items()
            for check in checks
        ]

        @dg.multi_asset_check(name=f"{self.name}_checks", specs=specs, can_subset=True)
        def checks() -> Iterator[dg.AssetCheckResult]:
            yield from (
                dg.AssetCheckResult(passed=True, asset_key=spec.asset_key, check_name=spec.name) for spec in specs
            )

        return checks


def operations(types: int) -> list[Operation]:
    """Return the operations of the platform with so many event types, the first one alone in its run."""
    names = [f"type{number}" for number in range(types)]
    checks = {"unregistered": _UNREGISTERED, **dict.fromkeys(names, _TYPED)}
    return [
        Operation("raw", ["raw", "corrupt"], [], {"raw": _ARRIVAL}),
        Operation("deduplicated", ["deduplicated", "duplicates"], ["raw"], {"deduplicated": _DAILY}),
        Operation("typed", ["unregistered", *names], ["deduplicated"], checks),
        Operation("report", ["report"], ["raw", "corrupt", "deduplicated", "duplicates", *names], {}),
        Operation("learners", ["learners"], names[:3], {}),
    ]


def run(types: int) -> Counter[str]:
    """Materialize and check everything; return how many materializations and evaluations there were."""
    with warnings.catch_warnings(action="ignore"), dg.DagsterInstance.ephemeral() as instance:
        ordered = operations(types)
        definitions = [each.assets_definition() for each in ordered]
        definitions += [each.checks_definition() for each in ordered if each.checks]
        first = dg.AssetSelection.assets(*ordered[0].assets)
        runs = [
            dg.materialize(
                definitions,
                selection=selection,
                instance=instance,
                tags=_TAGS,
                run_config=_QUIET,
            ).run_id
            for selection in (first, dg.AssetSelection.all() - first)
        ]
        events = [entry.dagster_event for each in runs for entry in instance.all_logs(each, of_type={*_COUNTED})]
        return Counter(event.event_type_value for event in events if event)


def main(arguments: Sequence[str]) -> None:
    """Run with `<types>`."""
    (types,) = arguments
    found = run(int(types))
    print(json.dumps([found[kind.value] for kind in _COUNTED]))  # noqa: T201 - for bench.scale_cases


if __name__ == "__main__":
    main(sys.argv[1:])

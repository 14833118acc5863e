"""Days that are due → runs to ask for, without asking twice."""

import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta

import dagster as dg

#: How a run tells which part of the work it does, so that the next tick sees what is under way.
PART = "event_platform/part"

_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def stretches(days: Collection[date]) -> list[tuple[date, date]]:
    """Group days into stretches without a gap: each is one run, and no day in between is rebuilt."""
    found: list[tuple[date, date]] = []
    for day in sorted(days):
        if found and found[-1][1] + timedelta(days=1) == day:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def unreachable(days: Iterable[date], first_date: date, today: date) -> str | None:
    """Say what is wrong where some of the days that objects landed on are no partitions; None where all are."""
    beyond = sorted(day for day in days if not first_date <= day <= today)
    if not beyond:
        return None
    return (
        f"landing holds objects of {len(beyond)} days outside the partitions, such as {beyond[0]}; they go from "
        f"{first_date} (EVENT_PLATFORM_START_DATE) to {today}. These objects are not loaded."
    )


def run_tags(first: date, last: date) -> dict[str, str]:
    """Return the tags that make a run one over a range of days."""
    return {_FIRST: first.isoformat(), _LAST: last.isoformat()}


def run_requests(part: str, days: Collection[date], state: str, assets: Sequence[dg.AssetKey]) -> list[dg.RunRequest]:
    """Ask for a run for each stretch of days.

    `state` is what made them due. A run is asked for once in each state: one that fails is not started again and again
    by the next ticks, but by the schedule.
    """
    return [
        dg.RunRequest(
            run_key=f"{part}:{first}:{last}:{state}",
            asset_selection=list(assets),
            tags={PART: part, **run_tags(first, last)},
        )
        for first, last in stretches(days)
    ]


def whole_request(part: str, state: str, asset: dg.AssetKey) -> dg.RunRequest:
    """Ask for a run of an asset without partitions, as `run_requests` does for days."""
    return dg.RunRequest(run_key=f"{part}:{asset.to_user_string()}:{state}", asset_selection=[asset], tags={PART: part})


def is_under_way(instance: dg.DagsterInstance, part: str) -> bool:
    """Say whether a run of this part waits or works. What comes due meanwhile is asked for when it has ended."""
    return bool(instance.get_run_ids(dg.RunsFilter(statuses=_ACTIVE, tags={PART: part}), limit=1))


def warned(log: logging.Logger, warnings: Iterable[str | None]) -> list[str]:
    """Write warnings to the log of a tick, and return them: a tick that asks for runs has no other place to tell."""
    told = [warning for warning in warnings if warning]
    for warning in told:
        log.warning(warning)
    return told

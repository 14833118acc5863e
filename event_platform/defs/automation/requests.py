"""Due days → run requests, without requesting the same work twice."""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import takewhile

import dagster as dg

from event_platform.defs.automation.under_way import ACTIVE, days_under_way, is_alive
from event_platform.quality.partitions import date_ranges, describe_range

#: Tag with the part of the work that a run does. The next tick finds active runs by it.
PART = "event_platform/part"

_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"

#: Tag with what made a run due. Runs with the same state are tries of the same work.
STATE = "event_platform/state"

#: Seconds until failed work is requested again, doubled after each failure up to the longest.
_PAUSE, _LONGEST_PAUSE = 600, 4 * 3600

#: Without this setting, a run prints a line for each event that it stores, a thousand for a minute's object.
_CONFIG = {"loggers": {"console": {"config": {"log_level": "INFO"}}}}

#: Successful runs in a row that leave their work due before requests pause: what they restored may have been deleted
#: again.
_IN_VAIN = 5

_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_LOOKED_BACK = 1_000  # runs


def run_tags(first: date, last: date) -> dict[str, str]:
    """Return the tags of a run over a range of days."""
    return {_FIRST: first.isoformat(), _LAST: last.isoformat()}


@dataclass(frozen=True)
class RunRequests:
    """Runs to request, and why other due work is not requested now."""

    requests: list[dg.RunRequest]
    waiting: list[str]


def ask(
    instance: dg.DagsterInstance, part: str, due: Mapping[date, str], assets: Sequence[dg.AssetKey], now: datetime
) -> RunRequests:
    """Request a run for each range of due days, each with the reason.

    Days that another run or backfill is about to write wait until it ends. A request in an unchanged state is repeated
    at once if its run was cancelled, or if it succeeded and the same work became due again; after a failure, it is
    repeated after a growing pause. A changed state does not wait.
    """
    occupied = days_under_way(instance, assets, due, now)
    waiting = [
        f"{describe_range(first, last)}: {occupant} is at work there"
        for occupant in sorted(set(occupied.values()))
        for first, last in date_ranges([day for day, other in occupied.items() if other == occupant])
    ]
    runs = [
        _DueRun(
            f"{first}:{last}:{digest(f'{day}={due[day]}' for day in due if first <= day <= last)}",
            describe_range(first, last),
            run_tags(first, last),
        )
        for first, last in date_ranges(due.keys() - occupied)
    ]
    return join([RunRequests([], waiting), _ask(instance, part, runs, assets, now)])


def ask_whole(instance: dg.DagsterInstance, part: str, state: str, asset: dg.AssetKey, now: datetime) -> RunRequests:
    """Request a run of an unpartitioned asset, as `ask` does for days."""
    name = asset.to_user_string()
    return _ask(instance, part, [_DueRun(f"{name}:{state}", name)], [asset], now)


def ask_checks(
    instance: dg.DagsterInstance, name: str, state: str, checks: Sequence[dg.AssetCheckKey], now: datetime
) -> RunRequests:
    """Request a run of checks without assets, as `ask` does for days. `name` is also the part of the run."""
    requested = _ask(instance, name, [_DueRun(f"{name}:{state}", name)], [], now)
    return RunRequests(
        [run.with_replaced_attrs(asset_check_keys=list(checks)) for run in requested.requests], requested.waiting
    )


def join(requested: Iterable[RunRequests]) -> RunRequests:
    """Concatenate the requests, and the reasons of what waits."""
    parts = list(requested)
    return RunRequests(
        [run for part in parts for run in part.requests], [why for part in parts for why in part.waiting]
    )


@dataclass(frozen=True)
class _DueRun:
    """A due run: its state, description and tags."""

    state: str
    what: str
    tags: Mapping[str, str] = field(default_factory=dict)


def _ask(
    instance: dg.DagsterInstance, part: str, runs: Sequence[_DueRun], assets: Sequence[dg.AssetKey], now: datetime
) -> RunRequests:
    known = _tries(instance, part, [request.state for request in runs])
    requested = RunRequests([], [])
    for request in runs:
        tries = known[request.state]
        ended = [
            (record.dagster_run.status, record.end_time or record.update_timestamp.timestamp()) for record in tries
        ]
        again = next_try(ended)
        if now.timestamp() < again:
            status = "failed" if ended[0][0] is dg.DagsterRunStatus.FAILURE else "succeeded, and it is due again"
            requested.waiting.append(
                f"{request.what}: run {tries[0].dagster_run.run_id[:8]} {status}; asked for again at "
                f"{datetime.fromtimestamp(again, UTC):%H:%M} UTC, or when something else is due there"
            )
            continue
        # Dagster accepts a run key once: the key of a new attempt contains the run that ended the last one.
        before = tries[0].dagster_run.run_id[:8] if tries else "first"
        tags = {PART: part, STATE: request.state, **request.tags}
        key = f"{part}:{request.state}:{before}"
        requested.requests.append(dg.RunRequest(key, _CONFIG, asset_selection=list(assets), tags=tags))
    return requested


def _tries(instance: dg.DagsterInstance, part: str, states: Sequence[str]) -> dict[str, list[dg.RunRecord]]:
    """Return the ended runs that were requested in the given states, the latest first."""
    records = defaultdict[str, list[dg.RunRecord]](list)
    if states:
        filters = dg.RunsFilter(statuses=_FINISHED, tags={PART: part, STATE: states})
        for record in instance.get_run_records(filters, limit=_LOOKED_BACK):
            records[record.dagster_run.tags[STATE]].append(record)
    return records


def next_try(ended: Sequence[tuple[dg.DagsterRunStatus, float]]) -> float:
    """Return the Unix time from which work may be requested again, given its ended runs (latest first)."""
    tries = [ending for ending in ended if ending[0] is not dg.DagsterRunStatus.CANCELED]
    if not tries or ended[0][0] is dg.DagsterRunStatus.CANCELED:
        return 0
    alike = sum(1 for _ in takewhile(lambda ending: ending[0] is tries[0][0], tries))
    strikes = alike if tries[0][0] is dg.DagsterRunStatus.FAILURE else alike - _IN_VAIN + 1
    return tries[0][1] + min(_PAUSE * 2 ** (strikes - 1), _LONGEST_PAUSE) if strikes > 0 else 0


def is_under_way(instance: dg.DagsterInstance, part: str, now: datetime) -> bool:
    """Return whether a run of this part is queued or active. Work that becomes due meanwhile waits for its end."""
    active = instance.get_run_records(dg.RunsFilter(statuses=ACTIVE, tags={PART: part}))
    return any(is_alive(instance, record, now) for record in active)


def digest(parts: Iterable[str]) -> str:
    """Return a short digest of texts in any order."""
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[:16]


def log_warnings(log: logging.Logger, warnings: Iterable[str | None]) -> list[str]:
    """Write warnings to the log of a tick, and return them: a tick that asks for runs shows no other text."""
    shown = [warning for warning in warnings if warning]
    for warning in shown:
        log.warning(warning)
    return shown

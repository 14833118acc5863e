"""The daily partitions that every asset shares."""

from datetime import UTC, date, datetime

import dagster as dg

#: Dagster's metadata name for the rows of a partition: the UI plots it.
ROWS = "dagster/partition_row_count"

#: A range of days is one run: orchestration costs then grow with runs, not with days.
ONE_RUN = dg.BackfillPolicy.single_run()

#: For an asset downstream of the platform's: every day on which its inputs gained anything is materialized again,
#: however old it is. `eager()` alone considers only the latest day.
FOLLOW_LATE_DATA = dg.AutomationCondition.eager().without(dg.AutomationCondition.in_latest_time_window())


def daily_partitions(start_date: date) -> dg.DailyPartitionsDefinition:
    """One partition per day (UTC) from `start_date` to today, which is still incomplete."""
    return dg.DailyPartitionsDefinition(start_date=start_date.isoformat(), timezone="UTC", end_offset=1)


def backfill_policy(days_per_run: int | None) -> dg.BackfillPolicy:
    """Return the backfill policy: one run for all days, or one run per `days_per_run` days."""
    return ONE_RUN if days_per_run is None else dg.BackfillPolicy.multi_run(days_per_run)


def dates_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[date]:
    """Return the partitions of a run in order. Raises Failure for days after the last partition."""
    dates, today = [date.fromisoformat(key) for key in context.partition_keys], datetime.now(UTC).date()
    # Dagster itself rejects days before the first partition.
    if not dates or dates[-1] > today:
        raise dg.Failure(
            f"a partition of this run is after the last one, which is {today} (today, UTC)", allow_retries=False
        )
    return dates

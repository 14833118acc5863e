"""The daily partitions that every asset shares."""

from datetime import date

import dagster as dg

#: A range of days is one run: orchestration costs then grow with runs, not with days.
ONE_RUN = dg.BackfillPolicy.single_run()


def daily_partitions(start_date: date) -> dg.DailyPartitionsDefinition:
    """One partition a day (UTC) from `start_date` to today, which is still being filled."""
    return dg.DailyPartitionsDefinition(start_date=start_date.isoformat(), timezone="UTC", end_offset=1)


def dates_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[date]:
    """Return the partitions of a run, one or a range, in order."""
    return [date.fromisoformat(key) for key in context.partition_keys]

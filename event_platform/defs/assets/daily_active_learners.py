"""An example of an asset over event tables, loaded with the sample's catalog alone; copy it for your own."""

import warnings

import dagster as dg
import polars as pl

from event_platform.defs.assets.tables import Layer, code_version
from event_platform.defs.partitions import FOLLOW_LATE_DATA
from event_platform.events.catalog import Catalog
from event_platform.sample.own_assets import DAILY_ACTIVE_LEARNERS, LESSONS, shipped_assets

_COLUMNS = {"columns": ["created_date", "user_id"]}
_LESSONS = {key: dg.AssetIn(["events", key], metadata=_COLUMNS) for key in LESSONS}


def build_daily_active_learners(
    catalog: Catalog, partitions: dg.DailyPartitionsDefinition, policy: dg.BackfillPolicy
) -> list[dg.AssetsDefinition]:
    """Return the asset with the sample's catalog, and nothing with any other."""
    if not shipped_assets(catalog, partitions.start.date()):
        return []
    # Dagster calls the backfill policy of an asset beta: its minor version is pinned, and tests depend on it.
    with warnings.catch_warnings(action="ignore", category=dg.BetaWarning):
        return [_daily_active_learners(partitions, policy)]


def _daily_active_learners(partitions: dg.DailyPartitionsDefinition, policy: dg.BackfillPolicy) -> dg.AssetsDefinition:
    @dg.asset(
        ins=_LESSONS,
        partitions_def=partitions,
        backfill_policy=policy,
        automation_condition=FOLLOW_LATE_DATA,
        pool=DAILY_ACTIVE_LEARNERS,
        group_name="marts",
        kinds={"deltalake", "polars"},
        code_version=code_version(),
        tags={"layer": Layer.MART.value},
        description="Distinct users who did something in a lesson, one row for each created_date: "
        '`lake.scan("daily_active_learners")`.',
    )
    def daily_active_learners(
        lesson_started: pl.LazyFrame, lesson_completed: pl.LazyFrame, exercise_answered: pl.LazyFrame
    ) -> pl.LazyFrame:
        events = pl.concat([lesson_started, lesson_completed, exercise_answered])
        learners = pl.col("user_id").count().cast(pl.Int64)
        # n_unique would take three times as long: it keeps every row of a day until the last one is read.
        return events.unique().group_by("created_date").agg(learners=learners)

    return daily_active_learners

"""The sensor of changed dates: requests the created dates that are due downstream of raw_events.

What was built is recorded only in the tables. The cursor only saves repeated look-ups.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import dagster as dg

from event_platform.defs.automation.downstream import due_downstream
from event_platform.defs.automation.requests import RunRequests, digest, is_under_way, join, log_warnings
from event_platform.defs.automation.schema_checks import ask_schema_checks
from event_platform.defs.automation.ticks import SECONDS_BETWEEN_TICKS, is_time_to_look, stamp_cursor, tick_result
from event_platform.defs.graph import own_assets_of
from event_platform.defs.resources.platform import LakeResource
from event_platform.events.catalog import Catalog
from event_platform.lake.deployments import deployment_of
from event_platform.lake.pinned_lake import PinnedLake
from event_platform.sample.own_assets import shipped_assets
from event_platform.storage.polars_errors import translate_errors


def build_changed_dates_sensor(
    assets: Sequence[dg.AssetKey], catalog: Catalog, first_date: date
) -> dg.SensorDefinition:
    """Return the sensor that requests created dates whose tables are older than raw_events or their other sources.

    This includes the user's own assets of the code location. The automation sensor then finds them up to date.
    """

    @dg.sensor(
        name="changed_dates_sensor",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for exactly the created dates that new records change, in one batch.",
    )
    @translate_errors()
    def changed_dates_sensor(
        context: dg.SensorEvaluationContext, lake: LakeResource
    ) -> dg.SensorResult | dg.SkipReason:
        # More dates may become due while records are being loaded: all go into one batch.
        now = datetime.now(UTC)
        if any(is_under_way(context.instance, part, now) for part in ("raw", "created")):
            return dg.SkipReason("a run is at work; what becomes due meanwhile is requested together")
        tables, rules = PinnedLake(lake.open().storage), deployment_of(catalog).catalog
        tables.storage.check()
        since = version_in(context.cursor, rules)
        # Only changes by others are left: looking for them opens a hundred tables.
        look_for_files = is_time_to_look(context.cursor, now)
        if since == tables.raw_events.snapshot().version and not look_for_files:
            return dg.SkipReason("nothing new in raw_events; the rows of all tables are counted every ten minutes")
        own = own_assets_of(context, shipped_assets(catalog, first_date))
        due = due_downstream(
            tables, catalog, own, assets, first_date, now.date(), since=since, look_for_files=look_for_files
        )
        log_warnings(context.log, due.dates.warnings)
        version = due.dates.version
        requested = due.ask(context.instance, digest([f"{version}", rules]), now)
        # If the catalog is unchanged and no look is due, the tables have the same columns as before.
        looks = look_for_files or not since
        checks = ask_schema_checks(context.instance, tables, catalog, now) if looks else RunRequests([], [])
        if requested.requests or requested.waiting:
            return tick_result(context, join([checks, requested]), "; ".join(requested.waiting), context.cursor)
        if any(day > now.date() for day in due.dates.days):  # no partitions yet; they stay due
            return tick_result(context, checks, "what is due is in the future", context.cursor)
        if due.dates.backfills.unexamined:  # the next tick goes on with it
            return tick_result(context, checks, "; ".join(due.dates.backfills.notes), context.cursor)
        return tick_result(context, checks, "every date is up to date", stamp_cursor(f"{rules}:{version}", now))

    return changed_dates_sensor


def version_in(cursor: str | None, rules: str) -> int:
    """Return the version of raw_events up to which every date was built with this catalog; else 0.

    Later failures are looked at until they are built. The reconciliation finds tables that were restored by hand.
    """
    known, _, version = (cursor or "").partition(" ")[0].partition(":")
    return int(version) if known == rules and version.isascii() and version.isdecimal() else 0

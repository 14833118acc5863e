"""The code location: everything Dagster knows of this project."""

import os

import dagster as dg

from event_platform.defs.alerts.sensor import build_alerts_sensor
from event_platform.defs.assets.daily_active_learners import build_daily_active_learners
from event_platform.defs.assets.deduplicated_events import (
    DEDUPLICATED_EVENTS,
    DUPLICATE_EVENTS,
    build_deduplicated_events,
)
from event_platform.defs.assets.filtered_events import FILTERED_EVENTS, build_filtered_events
from event_platform.defs.assets.quality_report import QUALITY_REPORT, build_quality_report
from event_platform.defs.assets.raw_events import CORRUPT_EVENTS, RAW_EVENTS, build_raw_events
from event_platform.defs.assets.typed_events import UNREGISTERED_EVENTS, build_typed_events, event_key
from event_platform.defs.automation.changed_dates_sensor import build_changed_dates_sensor
from event_platform.defs.automation.conditions import build_automation_sensor
from event_platform.defs.automation.landing_sensor import build_landing_sensor
from event_platform.defs.automation.publishing_sensor import build_publishing_sensor
from event_platform.defs.automation.reconciliation import build_daily_reconciliation
from event_platform.defs.automation.vacuum import build_vacuum
from event_platform.defs.automation.verification import build_verification
from event_platform.defs.checks.build import build_checks
from event_platform.defs.instance.dagster_yaml import warn_of_missing_settings
from event_platform.defs.instance.warm_runs import PUBLISHING, S3, fork_runs
from event_platform.defs.partitions import backfill_policy, daily_partitions
from event_platform.defs.resources.build import build_resources
from event_platform.defs.resources.platform import RulesResource
from event_platform.environment import Environment, load_environment
from event_platform.events.catalog import Catalog, load_catalog
from event_platform.events.mending.opening import require_runnable
from event_platform.lake.lake import Lake
from event_platform.landing.notifications import landing_queue
from event_platform.storage.storage import Storage
from event_platform.stream.redeliveries import redeliveries_queue

#: The job of all assets, those of a project as well: the UI shows runs of the command line by its name.
JOB = "event_platform"
_ABOUT_JOB = (
    "All assets and their checks. Runs of `event-platform run`, `replay` and `mend` are runs of a part of this job."
)

#: Steps run one after another, and each uses the whole pool: more processes would only wait.
_EXECUTOR = dg.in_process_executor


def build_definitions(environment: Environment | None = None, catalog: Catalog | None = None) -> dg.Definitions:
    """Return the assets, checks, sensors, schedules and resources of an environment and its catalog.

    Without arguments, the `EVENT_PLATFORM_*` variables decide. In that case, settings missing from dagster.yaml are
    logged, and the code server forks its runs. Raises SettingError, and CatalogError with one line per fault.
    """
    if environment is None:
        warn_of_missing_settings(os.environ.get("DAGSTER_HOME"))
        environment = load_environment()
        is_on_s3 = any(uri.startswith("s3://") for uri in (environment.landing, environment.lake))
        fork_runs(*([PUBLISHING] if environment.iceberg else []), *([S3] if is_on_s3 else []))
    if catalog is None:
        catalog = load_catalog(environment.catalog)
    require_runnable(catalog.mending)
    partitions, first_date = daily_partitions(environment.start_date), environment.start_date
    policy, tables = backfill_policy(environment.days_per_run), Lake(Storage(environment.lake))
    raw, downstream = raw_assets(environment), platform_assets(catalog)
    redeliveries = redeliveries_queue(environment.redeliveries_queue)
    types, resources = list(map(event_key, catalog.event_types)), build_resources(environment)
    rules: RulesResource = resources["rules"]
    return dg.Definitions(
        assets=[
            build_raw_events(tables, catalog, rules, partitions, policy),
            *([build_filtered_events(tables, redeliveries, partitions, policy)] if redeliveries else []),
            build_deduplicated_events(tables, partitions, policy),
            build_typed_events(tables, catalog, rules, partitions, policy),
            build_quality_report(
                *(tables, catalog, partitions, policy, environment.report_url), with_filtered=redeliveries is not None
            ),
            *build_daily_active_learners(catalog, partitions, policy),
        ],
        asset_checks=build_checks(catalog, partitions, published=environment.iceberg is not None),
        jobs=[dg.define_asset_job(JOB, dg.AssetSelection.all(), description=_ABOUT_JOB, executor_def=_EXECUTOR)],
        sensors=[
            build_landing_sensor(
                raw, downstream, catalog, first_date, landing_queue(environment.landing_queue, environment.landing)
            ),
            build_changed_dates_sensor(downstream, catalog, first_date),
            build_automation_sensor(),
            build_alerts_sensor(environment, catalog, [RAW_EVENTS, *types]),
            *([build_publishing_sensor(catalog)] if environment.iceberg else []),
        ],
        schedules=[
            build_daily_reconciliation(raw, downstream, catalog, first_date, redeliveries),
            build_vacuum(catalog),
            build_verification(catalog),
        ],
        resources=resources,
        executor=_EXECUTOR,
    )


def raw_assets(environment: Environment) -> list[dg.AssetKey]:
    """Return the assets partitioned by arrival date: raw_events, corrupt_events and, with a queue, filtered_events."""
    return [RAW_EVENTS, CORRUPT_EVENTS, *([FILTERED_EVENTS] if environment.redeliveries_queue else [])]


def platform_assets(catalog: Catalog) -> list[dg.AssetKey]:
    """Return the platform's assets downstream of raw_events, partitioned by created date."""
    types = map(event_key, catalog.event_types)
    return [DEDUPLICATED_EVENTS, DUPLICATE_EVENTS, UNREGISTERED_EVENTS, *types, QUALITY_REPORT]


@dg.definitions
def defs() -> dg.Definitions:
    """Load what `workspace.yaml` points at."""
    return build_definitions()

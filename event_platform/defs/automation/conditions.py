"""The sensor of automation conditions, also of users' own assets."""

import dagster as dg

from event_platform.defs.automation.ticks import SECONDS_BETWEEN_TICKS


def build_automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """Return the sensor that evaluates automation conditions, including those of the user's own assets.

    Dagster's default sensor would have to be switched on first.
    """
    return dg.AutomationConditionSensorDefinition(
        "automation_sensor",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Materializes assets as their automation conditions say, such as the days of late data.",
    )

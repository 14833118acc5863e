"""The alerts sensor, tick after tick, and something for it to tell."""

import json
from dataclasses import replace

import dagster as dg

from event_platform.definitions import build_definitions
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event

LESSON = "events/lesson_started"
_LESSONS = dg.AssetSelection.assets(LESSON.split("/")).upstream().required_multi_asset_neighbors()


class Alerts:
    """The sensor, tick after tick, as the daemon evaluates it."""

    def __init__(self, world: World, instance: dg.DagsterInstance, *urls: str) -> None:
        """Begin without a cursor."""
        self.environment = replace(world.environment, alert_urls=urls)
        self.world, self.instance = world, instance
        self.cursor: str | None = None

    def tick(self) -> str:
        """Evaluate the sensor once; return its message."""
        definitions = build_definitions(self.environment, self.world.catalog)
        context = dg.build_sensor_context(self.instance, cursor=self.cursor, definitions=definitions)
        data = definitions.resolve_sensor_def("alerts_sensor").evaluate_tick(context)
        self.cursor = data.cursor
        return data.skip_message or ""

    def wait_over(self) -> None:
        """Let the time pass that an address which failed is left alone."""
        memory = json.loads(self.cursor or "{}")
        for waiting in memory["outbox"].values():
            waiting["not_before"] = 0
        self.cursor = json.dumps(memory)


def fail(world: World, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Materialize Monday and Tuesday with a lesson whose level is no number."""
    for day in (MONDAY, TUESDAY):
        world.deliver(day, "a", event(f"{day}", day, "lesson:started", user="usr_1", level="<b>@channel"))
    return world.materialize(MONDAY, TUESDAY, selection=_LESSONS, instance=instance)


def mend(world: World, instance: dg.DagsterInstance) -> None:
    """Land both objects again, as they should have been."""
    for day in (MONDAY, TUESDAY):
        world.deliver(day, "a", event(f"{day}", day, "lesson:started", user="usr_1", level=1))
    world.materialize(MONDAY, TUESDAY, selection=_LESSONS, instance=instance)

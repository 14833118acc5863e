"""A lake with something of everything, built by a run after one that was killed; tests take copies of it."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from event_platform.checks.thresholds import DEFAULT_THRESHOLDS
from event_platform.metrics.collector import PlatformCollector
from event_platform_tests.support.command import call, use, variables
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event

#: `event-platform run` in a process that is killed in the middle: raw_events is written, and nothing after it.
_KILLED = """
import os, signal
import event_platform.defs.assets.deduplicated_events as assets
assets.deduplicate = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
from event_platform.cli.main import main
main(["run"])
"""


@dataclass(frozen=True)
class Scrape:
    """What a scrape returned: values by metric, and by the labels of each."""

    text: str

    @property
    def values(self) -> dict[str, dict[tuple[str, ...], float]]:
        """Values by metric, and by the values of its labels."""
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for family in text_string_to_metric_families(self.text):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
        return found

    @property
    def labels(self) -> dict[str, dict[str, set[str]]]:
        """The values of each label of each metric."""
        found: dict[str, dict[str, set[str]]] = {}
        for family in text_string_to_metric_families(self.text):
            for sample in family.samples:
                of_metric = found.setdefault(sample.name, {})
                for name, value in sample.labels.items():
                    of_metric.setdefault(name, set()).add(value)
        return found

    def value(self, metric: str, *labels: str) -> float | None:
        """Return a value of a metric, without its prefix; None where it is absent."""
        return self.values.get(f"event_platform_{metric}", {}).get(labels)


def scrape(world: World, home: Path | None = None) -> Scrape:
    """Scrape a world as a new exporter would."""
    registry = CollectorRegistry()
    registry.register(
        PlatformCollector(world.environment, world.catalog, DEFAULT_THRESHOLDS, str(home) if home else None)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home or ""))  # which dagster.yaml names
        return Scrape(generate_latest(registry).decode())


@dataclass(frozen=True)
class Built:
    """A world with Dagster's records of two runs, and what a scrape returned after the first, which was killed."""

    world: World
    home: Path
    after_kill: Scrape


def deliver(world: World, day: date) -> None:
    """Land a day of everything."""
    lesson = event(f"l{day}", day, "lesson:started", user="usr_1", level="seven", extra=1)
    world.deliver(day, "a", event(f"a{day}", day, plan="free"), lesson, event(f"n{day}", day, "beta:new"), "{broken")
    world.deliver(day, "b", event(f"a{day}", day, plan="free"), event(f"l{day}", day, "lesson:started", user="usr_2"))


@pytest.fixture(scope="package")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Two days: one was loaded by the run that was killed, and all is built by the next."""
    world, home = World(tmp_path_factory.mktemp("scraped")), tmp_path_factory.mktemp("dagster_home")
    deliver(world, MONDAY)
    settings = {**variables(world), "DAGSTER_HOME": str(home)}
    killed = subprocess.run([sys.executable, "-c", _KILLED], env=settings, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    after_kill = scrape(world, home)
    deliver(world, TUESDAY)
    with pytest.MonkeyPatch.context() as patch:
        use(patch, world)
        patch.setenv("DAGSTER_HOME", str(home))
        call("run")
    return Built(world, home, after_kill)


def environment_of(built: Built) -> dict[str, str]:
    """Return the environment variables of a command over a built world."""
    return {**os.environ, **variables(built.world), "DAGSTER_HOME": str(built.home)}

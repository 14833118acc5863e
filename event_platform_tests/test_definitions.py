"""The code location loads in a fresh interpreter, in every environment, and says what is wrong where it does not."""

import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from event_platform_tests.support.world import World, write_catalog

LOAD = """
import os, socket, sys
def refuse(*_): raise RuntimeError("nothing is opened while code loads")
socket.socket.connect = socket.getaddrinfo = refuse
from event_platform import definitions
for name in sys.argv[1:]:
    os.environ["EVENT_PLATFORM_ENV"] = name
    graph = definitions.defs().resolve_asset_graph()
    print(*sorted(key.to_user_string() for key in graph.get_all_asset_keys()))
"""
KEYS = (
    "corrupt_events deduplicated_events duplicate_events events/account_created events/lesson_started "
    "events/payment_order_completed quality_report raw_events unregistered_events"
)


def load(world: World, *names: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Load the code location of each environment in a new interpreter."""
    variables = {"EVENT_PLATFORM_CATALOG": str(world.root / "catalog"), **settings}
    return subprocess.run(
        [sys.executable, "-c", LOAD, *(names or ("local",))],
        env={**os.environ, **variables},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_the_same_assets_load_in_every_environment(world: World) -> None:
    """Without credentials, without a connection, without a table."""
    settings = {
        "EVENT_PLATFORM_LANDING": "s3://bucket/landing",
        "EVENT_PLATFORM_LAKE": "s3://bucket/lake",
        "EVENT_PLATFORM_START_DATE": "2025-06-01",
    }
    loaded = load(world, "dev", "staging", "prod", **settings)
    assert loaded.stdout.splitlines() == [KEYS] * 3, loaded.stderr
    loaded = load(world)
    assert loaded.stdout.splitlines() == [KEYS], loaded.stderr
    assert not (world.root / "lake").exists()


def test_a_lake_that_cannot_be_opened_does_not_stop_the_load(world: World) -> None:
    """Nothing is read from it until something is materialized."""
    log = world.root / "lake" / "raw_events" / "_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("{broken", encoding="utf-8")
    loaded = load(world, EVENT_PLATFORM_LAKE=str(world.root / "lake"))
    assert loaded.stdout.split() == KEYS.split(), loaded.stderr
    assert [each.name for each in log.iterdir()] == ["00000000000000000000.json"]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("production", {}, "EVENT_PLATFORM_ENV: 'production' is not one of local, dev, staging, prod"),
        ("prod", {}, "EVENT_PLATFORM_LANDING: not set"),
        ("local", {"EVENT_PLATFORM_CATALOG": "/nowhere"}, "/nowhere: no such folder"),
    ],
)
def test_faulty_settings_stop_the_load_with_a_line(
    world: World, name: str, settings: dict[str, str], message: str
) -> None:
    """Each, below the traceback that Python prints."""
    loaded = load(world, name, **settings)
    assert loaded.returncode == 1
    assert any(message in line for line in loaded.stderr.splitlines()[-4:])


def test_a_broken_catalog_stops_the_load_with_one_clear_line_each(world: World) -> None:
    """Naming file and key."""
    write_catalog(
        world.root / "catalog",
        {
            "broken": {"title": "a", "properties": {"x": {"minimum": "1"}}},
            "twin": {"title": "lesson_started", "properties": {}},
            "unknown": {"title": "b", "properties": {"x": {"type": "int"}}},
        },
    )
    loaded = load(world)
    assert loaded.returncode == 1
    lines = [line for line in loaded.stderr.splitlines() if str(world.root / "catalog") in line]
    assert len(lines) == 3
    assert "broken.yaml: properties.x.minimum: " in lines[0]
    assert "twin.yaml: title: 'lesson_started' has the same table as 'lesson:started'" in lines[1]
    assert "unknown.yaml: properties.x.type: " in lines[2]


def test_the_partitions_go_from_the_start_date_to_today(world: World) -> None:
    """Today is still being filled, and is there all the same."""
    graph = world.definitions().resolve_asset_graph()
    (partitions,) = {graph.get(key).partitions_def for key in graph.get_all_asset_keys()}
    assert partitions is not None
    days = partitions.get_partition_keys()
    assert days[0] == "2025-01-01"
    assert days[-1] in {str(date.today()), str(datetime.now(UTC).date())}  # noqa: DTZ011 - midnight may fall in between


def test_descriptions_are_text_and_no_code(world: World) -> None:
    """The UI shows them as Markdown, in which a line that begins with four blanks is code."""
    repository = world.definitions().get_repository_def()
    graph = repository.asset_graph
    checks = [spec for each in repository.asset_checks_defs_by_key.values() for spec in each.check_specs]
    jobs = list(repository.get_all_jobs())
    described: list[Any] = [
        *(graph.get(key) for key in graph.get_all_asset_keys()),
        *checks,
        *jobs,
        *(node for job in jobs for node in job.all_node_defs),
        *repository.sensor_defs,
        *repository.schedule_defs,
        *repository.get_top_level_resources().values(),
    ]
    texts = [_without_code(each.description or "") for each in described]
    assert [text for text in texts if re.search(r"^(    |\t)", text, re.MULTILINE)] == []
    assert len([text for text in texts if text]) > len(checks)


def _without_code(markdown: str) -> str:
    return re.sub(r"^```.*?^```", "", markdown, flags=re.MULTILINE | re.DOTALL)

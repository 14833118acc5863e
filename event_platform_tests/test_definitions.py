"""The code location loads in a fresh interpreter, in every environment, and says what is wrong where it does not."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from event_platform_tests.support.world import World, write_catalog

#: Loads an environment by name, with some variables.
Load = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.xdist_group("definitions")  # for what they share to be started once

#: Loads the code location with each environment that it is told of, and prints the keys of its assets, or its error.
LOADER = """
import json, os, socket, sys, traceback
def refuse(*_): raise RuntimeError("nothing is opened while code loads")
socket.socket.connect = socket.getaddrinfo = refuse
from event_platform import definitions
given = dict(os.environ)
for line in sys.stdin:
    os.environ.clear()
    os.environ.update(given | json.loads(line))
    try:
        graph = definitions.defs().resolve_asset_graph()
        answer = {"keys": sorted(key.to_user_string() for key in graph.get_all_asset_keys())}
    except Exception:
        answer = {"error": traceback.format_exc()}
    print(json.dumps(answer), flush=True)
"""
KEYS = [
    *("corrupt_events", "deduplicated_events", "duplicate_events", "events/account_created", "events/lesson_started"),
    *("events/payment_order_completed", "quality_report", "raw_events", "unregistered_events"),
]


@pytest.fixture(scope="module")
def loader() -> Iterator["subprocess.Popen[str]"]:
    """A fresh interpreter, that has nothing but what loading takes."""
    with subprocess.Popen(
        [sys.executable, "-c", LOADER],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


@pytest.fixture
def load(loader: "subprocess.Popen[str]", world: World) -> Load:
    """What loads the code location of an environment, with the catalog of a world unless told otherwise."""
    assert loader.stdin is not None
    asked, answers = loader.stdin, loader.stdout
    assert answers is not None

    def load(name: str = "local", **settings: str) -> dict[str, Any]:
        variables = {"EVENT_PLATFORM_ENV": name, "EVENT_PLATFORM_CATALOG": str(world.root / "catalog"), **settings}
        print(json.dumps(variables), file=asked, flush=True)
        answer: dict[str, Any] = json.loads(answers.readline())
        return answer

    return load


def test_the_same_assets_load_in_every_environment(world: World, load: Load) -> None:
    """Without credentials, without a connection, without a table."""
    settings = {
        "EVENT_PLATFORM_LANDING": "s3://bucket/landing",
        "EVENT_PLATFORM_LAKE": "s3://bucket/lake",
        "EVENT_PLATFORM_START_DATE": "2025-06-01",
    }
    for name in ("dev", "staging", "prod"):
        assert load(name, **settings) == {"keys": KEYS}
    assert load() == {"keys": KEYS}
    queue = "http://127.0.0.1:1/123456789012/redeliveries"
    assert load(EVENT_PLATFORM_REDELIVERIES_QUEUE=queue) == {"keys": sorted([*KEYS, "filtered_events"])}
    assert not (world.root / "lake").exists()


def test_a_lake_that_cannot_be_opened_does_not_stop_the_load(world: World, load: Load) -> None:
    """Nothing is read from it until something is materialized."""
    log = world.root / "lake" / "raw_events" / "_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("{broken", encoding="utf-8")
    assert load(EVENT_PLATFORM_LAKE=str(world.root / "lake")) == {"keys": KEYS}
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
    load: Load, name: str, settings: dict[str, str], message: str
) -> None:
    """Each, below the traceback that Python prints."""
    assert any(message in line for line in load(name, **settings)["error"].splitlines()[-4:])


def test_a_broken_catalog_stops_the_load_with_one_clear_line_each(world: World, load: Load) -> None:
    """Naming file and key."""
    write_catalog(
        world.root / "catalog",
        {
            "broken": {"title": "a", "properties": {"x": {"minimum": "1"}}},
            "twin": {"title": "lesson_started", "properties": {}},
            "unknown": {"title": "b", "properties": {"x": {"type": "int"}}},
        },
    )
    lines = [line for line in load()["error"].splitlines() if str(world.root / "catalog") in line]
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
    texts = [_without_code(spec.description or "") for spec in described]
    assert [text for text in texts if re.search(r"^(    |\t)", text, re.MULTILINE)] == []
    assert len([text for text in texts if text]) > len(checks)


def _without_code(markdown: str) -> str:
    return re.sub(r"^```.*?^```", "", markdown, flags=re.MULTILINE | re.DOTALL)

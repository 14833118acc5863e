"""A catalog that is drafted from the first day of a real stream, and follows what the other days bring.

The stream is in a folder `shared/data` beside the project, and not part of it.
"""

import json
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from event_platform.events.catalog import load_catalog
from event_platform.events.columns import Column, typed
from event_platform_tests.end_to_end.test_real_streams import GITHUB, STREAMS
from event_platform_tests.support.command import call, call_with, use, variables
from event_platform_tests.support.world import World

LANDING = STREAMS / "github" / "landing"
DAYS = [date(2017, 7, 24) + timedelta(number) for number in range(5)]

pytestmark = pytest.mark.skipif(not STREAMS.is_dir(), reason="the real streams are not beside the project")


def types(columns: tuple[Column, ...], path: str = "") -> dict[str, str]:
    """Return the type of each typed property by its path of keys."""
    found: dict[str, str] = {}
    for column in typed(columns):
        where = f"{path}{column.field}"
        found[where] = column.kind.value
        found |= types(column.fields, f"{where}.")
        if column.item is not None:
            found |= types((column.item,), f"{where}[].")
    return found


def catalog_types(folder: Path) -> dict[str, dict[str, str]]:
    """Return the types of all properties of a catalog by event name."""
    return {event_type.name: types(event_type.columns) for event_type in load_catalog(folder).event_types}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The five days, built with a catalog that is drafted from the first."""
    root = tmp_path_factory.mktemp("github")
    world = World(root, schemas={}, envelope=GITHUB, start_date=DAYS[0])
    shutil.rmtree(root / "landing")
    first = Path(f"{DAYS[0]:%Y/%m/%d}")
    shutil.copytree(LANDING / first, root / "landing" / first)
    call_with(variables(world), "catalog", "draft")
    shutil.copytree(LANDING, root / "landing", dirs_exist_ok=True)
    world.load(*DAYS)
    world.deduplicate(*DAYS)
    world.type(*DAYS)
    return world


def test_it_becomes_the_catalog_that_is_drafted_from_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every property of every type has the same type, and after a rebuild no value lacks a column.

    The only remaining differences are properties that every event of the first day had, and that are null in a few
    later events: a draft of all days has them as null or not required.
    """
    use(monkeypatch, world)
    (world.root / "all").mkdir()
    (world.root / "all" / "envelope.yaml").write_text(yaml.safe_dump(GITHUB), encoding="utf-8")
    call("catalog", "draft", str(world.root / "all"))
    before, expected = catalog_types(world.root / "catalog"), catalog_types(world.root / "all")
    assert len(expected) - len(before) == 3
    assert sum(before[name] != expected[name] for name in before) == 3
    assert call("catalog", "accept", code=0).startswith(
        f"{world.root}/catalog/CommitCommentEvent.yaml: new, version 1-0-0"
    )
    assert catalog_types(world.root / "catalog") == expected
    world.type(*DAYS)
    left = json.loads(call("catalog", "diff", "--json", code=1))["differences"]
    assert {(each["finding"], each["before"]) for each in left} == {("broken rule", "required")}

"""`event-platform mend`: its trial, its effect, and that a second call does nothing."""

import json
import shutil
import time
from pathlib import Path

import pytest

from event_platform.lake.lake import Lake
from event_platform.pipeline.opening import open_lake
from event_platform_tests.support.command import build_by_run, call, call_with, start, use, variables
from event_platform_tests.support.comparison import contents
from event_platform_tests.support.mending import all_rows, versions, write_functions
from event_platform_tests.support.s3 import put
from event_platform_tests.support.world import MONDAY, SCHEMAS, TUESDAY, World, event, noon

#: With a personal field.
PLAN = {"plan": {"type": "string"}, "email": {"type": "string", "x-personal": True}}
PERSONAL = {**SCHEMAS, "account_created": {**SCHEMAS["account_created"], "properties": PLAN}}

LATE = {**event("late", email="ada@lovelace.example"), "created_at": 1000 * noon(MONDAY)}


def deliver(world: World) -> World:
    """Deliver what can be mended, and what cannot."""
    world.deliver(MONDAY, "a.json", LATE, "{\x1b[31m", event("a"), event("o", name="Order Completed", amount=3))
    world.deliver(TUESDAY, "b.json", event("b", TUESDAY))
    return world


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world that was built without functions, and has some now."""
    world = deliver(World(tmp_path, PERSONAL))
    use(monkeypatch, world)
    build_by_run(world)
    write_functions(world)
    return world


def last_line(*command: str) -> str:
    """Return the last line that a command prints."""
    return call(*command).splitlines()[-1]


def test_the_story(built: World) -> None:
    """Due, shown, mended, done; withdrawn, and as before."""
    before = all_rows(built)
    assert "event-platform mend is due for 1 day, such as 2025-06-02 (3 records)" in call("status")
    assert json.loads(last_line("status", "--json"))["completeness"]["due"]["mend"] == ["2025-06-02"]

    output = call("mend", "--dry-run")
    assert "3 records of 1 object on 1 day: 2 would be sound, 1 stay as they are" in output
    assert "1748865600000" in output
    assert "•••" in output
    assert "lovelace" not in output
    assert "\x1b" not in output
    assert all_rows(built) == before

    mend_output = call("mend")
    assert "of them mended" in mend_output
    assert "balanced: nothing is lost, nothing is counted twice" in mend_output
    at_the_end = versions(built)
    assert "nothing to mend" in call("mend", "--dry-run")
    totals = json.loads(last_line("mend", "--json"))
    assert (totals["landed"], totals["sound"], totals["mended"], totals["corrupt"]) == (5, 4, 2, 1)
    assert versions(built) == at_the_end
    assert sorted(built.events("account_created")["event_uuid"]) == ["a", "b", "late"]

    write_functions(built, None)
    trial = json.loads(last_line("mend", "--dry-run", "--json"))
    assert [*trial["put_back"].values()] == [1, 1]
    call("mend")
    assert all_rows(built) == before


def test_a_command_that_is_killed_is_finished_by_the_next(built: World, tmp_path: Path) -> None:
    """Between raw_events and what follows from it."""
    raw = built.lake.raw_events
    before = raw.snapshot().version
    process = start(variables(built), "mend")
    while process.poll() is None and raw.snapshot().version == before:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert raw.snapshot().version > before
    assert "of them mended" in call("mend")
    undisturbed = World(tmp_path / "undisturbed", PERSONAL)
    shutil.copytree(built.root / "landing", undisturbed.root / "landing", dirs_exist_ok=True)
    write_functions(undisturbed)
    undisturbed.build(MONDAY, TUESDAY)
    assert all_rows(built) == all_rows(undisturbed)


def test_errors_are_said_by_the_command_and_in_the_run(built: World) -> None:
    """A function that returns something else is an error of each record."""
    write_functions(
        built,
        "from event_platform.events.mending import mends\n@mends(reason='not_json')\ndef f(r): return 1\n"
        "@mends(reason='created_at_out_of_range')\ndef g(r): raise ValueError('\\ud800\\x1b')\n",
    )
    for command in (("mend", "--dry-run"), ("mend",)):
        said = call(*command)
        assert "TypeError: it returned int, expected bytes, dict or None" in said
        assert "ValueError: \\ud800\\u{1b}" in said


def test_faults_are_said_with_the_line(built: World) -> None:
    """By the check of the catalog, and by the command."""
    write_functions(
        built, "from event_platform.events.mending import mends\n@mends(reason='json')\ndef f(r): return 1\n"
    )
    folder = str(built.environment.catalog)
    assert "rules.py:2: @mends: reason 'json' is not one of" in call("catalog", "check", folder, code=1)
    assert "rules.py:2: @mends: reason 'json' is not one of" in call("mend", code=2)


def test_a_bucket_has_the_same_rows(tmp_path: Path, bucket: str) -> None:
    """Mended later on S3, and from the beginning in a folder."""
    world = deliver(World(tmp_path))
    for path in (world.root / "landing").rglob("*.json"):
        put(bucket, f"landing/{path.relative_to(world.root / 'landing').as_posix()}", path.read_bytes())
    here = {"EVENT_PLATFORM_LANDING": f"s3://{bucket}/landing", "EVENT_PLATFORM_LAKE": f"s3://{bucket}/lake"}
    on_s3 = {**variables(world), "EVENT_PLATFORM_ENV": "dev", **here}
    call_with(on_s3, "run")
    write_functions(world)
    call_with(on_s3, "mend")
    world.build(MONDAY, TUESDAY)
    lake: Lake = open_lake(f"s3://{bucket}/lake")
    assert contents(lake, world.catalog, without=("source_etag",)) == all_rows(world)

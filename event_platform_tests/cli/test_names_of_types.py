"""Types of events that are merged and split, as docs/how-to/schema-change.md has it: by their names, and a rebuild."""

from pathlib import Path
from typing import Any

import pytest

from event_platform_tests.support.command import call, use
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event, write_catalog

AMOUNT = {"properties": {"amount": {"type": "number"}}}
COMPLETED: dict[str, Any] = {"title": "order:completed", **AMOUNT}
FINISHED: dict[str, Any] = {"title": "order:finished", **AMOUNT}


def test_types_are_merged_and_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every event is in one table, before and after."""
    world = World(tmp_path, schemas={"completed": COMPLETED, "finished": FINISHED}, start_date=MONDAY)
    world.deliver(MONDAY, "a.json", event("a", MONDAY, "order:completed"), event("b", MONDAY, "order:finished"))
    world.deliver(TUESDAY, "a.json", event("c", TUESDAY, "order:finished"))
    world.build(MONDAY, TUESDAY)
    use(monkeypatch, world)

    def uuids(key: str) -> list[str]:
        return world.lake.table(f"events/{key}").snapshot().scan().collect()["event_uuid"].sort().to_list()

    write_catalog(tmp_path / "catalog", {"completed": {**COMPLETED, "x-names": ["order:finished"]}})
    (tmp_path / "catalog" / "finished.yaml").unlink()
    call("run", "--rebuild", "--from", "2025-06-02", "--to", "2025-06-03")
    assert (uuids("order_completed"), uuids("order_finished")) == (["a", "b", "c"], [])
    assert "balanced" in call("status")

    write_catalog(tmp_path / "catalog", {"completed": COMPLETED, "finished": FINISHED})
    call("run", "--rebuild", "--from", "2025-06-02", "--to", "2025-06-03")
    assert (uuids("order_completed"), uuids("order_finished")) == (["a"], ["b", "c"])
    assert "balanced" in call("status")

"""The floor of `make bench` writes the events that the platform writes, whatever stands beside them."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bench.comparison import compare
from bench.floor import main
from event_platform_tests.support.world import MONDAY, World, event, gzipped, ndjson

_STARTED = "lesson:started"


def test_the_floor_has_every_value_that_the_platform_has(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Malformed lines cost no other line, a value that does not fit is null, and neither costs a row."""
    started = [event(f"s{n}", MONDAY, _STARTED, user=f"usr_{n}", level=n, device={"os": "ios"}) for n in range(100)]
    dated = event("d", MONDAY, _STARTED, due="2025-06-01T10:00:00Z", birthday="2000-01-31", skills=["a", "b"], new=1)
    unfit = event("x", MONDAY, _STARTED, level="high", user="usr_x")
    lines: list[Any] = [
        *started,
        b'{"event_uuid":',
        b'{"event_uuid":"\xff"}',
        "",
        dated,
        unfit,
        event("a", plan="free"),
        "{}",
    ]
    world.deliver_bytes(MONDAY, "a.gz", gzipped(ndjson(*lines)))
    world.deliver_bytes(MONDAY, "b.gz", b"damaged")
    world.deliver_bytes(MONDAY, "c.gz", gzipped(ndjson(event("b", plan="paid"), event("u", MONDAY, "of:nobody"))))
    world.build(MONDAY)
    monkeypatch.setenv("POLARS_MAX_THREADS", "1")  # which it sets: undone afterwards
    output = world.root / "floor"
    main([f"{folder}" for folder in (world.root / "landing", world.root / "catalog", output)])
    difference = compare(world.root / "lake", output / "events", "parquet", world.catalog.event_types)
    assert (difference.rows, difference.missing_rows, difference.extra_rows, difference.different_values) == (
        104,
        0,
        0,
        0,
    )
    assert difference.values == 102 * 12 + 2 * 3
    assert _rows(output / "raw") == _rows(output / "deduplicated") == 105


def _rows(folder: Path) -> int:
    return pl.read_parquet(folder / "*.parquet").height

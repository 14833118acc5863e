"""Any records, in any objects, in any order, in any order of partitions: always the same tables."""

import json
import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from event_platform.lake.lake import Lake
from event_platform.lake.totals import lake_totals
from event_platform_tests.support.reference import Fates, Place, fates
from event_platform_tests.support.world import MONDAY, SCHEMAS, WINDOW_DAYS, World, event

#: Far enough apart that some pairs are inside the window of deduplication, one is on its edge and one beyond.
DAYS = [MONDAY + timedelta(days=days) for days in (0, 1, 7, 8, 9)]

#: Each type of the catalog costs an example two commits.
_ONE_TYPE = {"account_created": SCHEMAS["account_created"]}
UUIDS, NAMES = st.sampled_from(["u1", "u2"]), st.sampled_from(["account:created", "beta:clicked"])
EVENTS = st.builds(
    lambda uuid, day, name, plan: json.dumps(event(uuid, day, name, plan=plan)),
    UUIDS,
    st.sampled_from(DAYS[:3]),
    NAMES,
    st.sampled_from(["free", "pro"]),
)
RECORDS = st.one_of(*[EVENTS] * 6, st.just("{broken"), st.just("{}"))
LANDED = st.dictionaries(
    st.tuples(st.sampled_from(DAYS), st.sampled_from(["a", "b.gz", "c"])),
    st.lists(RECORDS, min_size=1, max_size=4),
    min_size=2,
    max_size=7,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    landed=LANDED,
    built=st.lists(st.sampled_from(DAYS), unique=True, max_size=3),
    order=st.permutations(DAYS),
    cut=st.integers(0, 5),
    data=st.data(),
)
def test_the_tables_are_those_of_the_reference(
    landed: dict[tuple[date, str], list[str]], built: list[date], order: Sequence[date], cut: int, data: st.DataObject
) -> None:
    """Objects come in some order, with partitions built in between; in the end every partition is built once more."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), _ONE_TYPE)
        objects = data.draw(st.permutations(sorted(landed.items())))
        half = len(objects) // 2
        for (day, name), lines in objects[:half]:
            world.deliver(day, name, *lines)
        world.load(*built)
        world.deduplicate(*built)
        world.type(*built)
        for (day, name), lines in objects[half:]:
            world.deliver(day, name, *lines)
        world.load(*order)
        for days in (order[:cut], order[cut:]):
            world.deduplicate(*days)
            world.type(*days)
        assert held(world.lake) == fates(
            {(day, f"{day:%Y/%m/%d}/12/{name}"): lines for (day, name), lines in landed.items()}, WINDOW_DAYS
        )
        totals = lake_totals(world.lake, world.catalog)
        assert totals["balanced"]
        assert totals["landed"] == sum(map(len, landed.values()))


def held(lake: Lake) -> Fates:
    """Return the fates of all records as the tables tell them."""
    corrupt, unique, duplicates = (
        table.snapshot().scan().collect()
        for table in (lake.corrupt_events, lake.deduplicated_events, lake.duplicate_events)
    )
    survivors = zip(duplicates["kind"], places(duplicates, "survivor_"), strict=True)
    return Fates(set(places(corrupt)), set(places(unique)), dict(zip(places(duplicates), survivors, strict=True)))


def places(rows: pl.DataFrame, prefix: str = "") -> list[Place]:
    """Return the places of rows."""
    return rows.select(f"{prefix}arrival_date", f"{prefix}source_object", f"{prefix}source_offset").rows()

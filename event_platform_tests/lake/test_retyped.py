"""A table whose column gets a wider type: one commit rebuilds all of it, in a folder and in a bucket."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, Schema

from event_platform.events.errors import TableError
from event_platform.lake.file_writer import write_file
from event_platform.lake.schemas import merged, retyped, to_delta
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.table_commit import ConflictError, TableCommit
from event_platform.lake.tables import Table
from event_platform.pipeline.opening import open_lake
from event_platform_tests.support.s3 import new_bucket, use_s3
from event_platform_tests.support.tables import SCHEMA, lessons_table, rebuild_numbers
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY

Widen = Callable[..., Table]
DAYS = [MONDAY, TUESDAY]


def located(place: str, n: Any) -> Table:
    """Return a table of a lake, with a type of its number."""
    spec = lessons_table(Path(), pl.Schema({**SCHEMA, "n": n})).spec
    return Table(replace(spec, widens=True), open_lake(place).storage)


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a lake with a table of two days."""
    found = str(tmp_path)
    if request.param == "bucket":
        use_s3(monkeypatch, request.getfixturevalue("s3_endpoint"))
        found = f"s3://{new_bucket()}/lake"
    for number, day in enumerate(DAYS):
        rebuild_numbers(located(found, pl.Int64()), (day, [number]))
    return found


def rebuild(snapshot: Snapshot, days: list[date]) -> None:
    """Replace days by rows with texts."""
    rows = {day: pl.DataFrame({"n": [f"{day:%a}"], "device": [{"os": "x"}]}) for day in days}
    adds = [write_file(frame, snapshot.table_to_write, day) for day, frame in rows.items()]
    TableCommit(snapshot).rebuild(days, adds, dict.fromkeys(days, 9)).commit()


def read(table: Table, version: int | None = None) -> pl.DataFrame:
    """Read a table as an analyst would."""
    options = table.storage.for_polars().get("storage_options")
    delta = DeltaTable(table.uri, version, storage_options=table.storage.for_delta())
    return pl.scan_delta(delta, storage_options=options).sort("created_date").collect()


def test_all_of_it_is_rebuilt_in_one_commit_or_nothing(place: str) -> None:
    """With new ids; a version before is read with the old type, as it was."""
    table = located(place, pl.String())
    snapshot = table.snapshot_to_write()
    before = snapshot.version
    assert [str(each) for each in snapshot.retyped] == ["n: long → string"]
    assert snapshot.schema["n"] == pl.Int64
    assert table.snapshot().version == before
    with pytest.raises(TableError, match="n: long → string: every partition has to be rebuilt in one commit"):
        rebuild(snapshot, [MONDAY])
    with pytest.raises(TableError, match="every partition has to be rebuilt"):
        TableCommit(snapshot).append([MONDAY], [], {MONDAY: 9}).commit()
    rebuild(snapshot, [*DAYS, WEDNESDAY])
    after = table.snapshot()
    assert (after.version, after.retyped) == (before + 1, [])
    assert after.schema["n"] == pl.String
    assert read(table)["n"].to_list() == ["Mon", "Tue", "Wed"]
    assert read(table, before)["n"].to_list() == [0, 1]
    ids = snapshot.table_to_write.field_ids
    assert ids is not None
    assert ids["n",] == max(ids.values())
    for number in range(12):  # beyond a checkpoint
        rebuild(table.snapshot_to_write(), [WEDNESDAY + timedelta(days=number)])
    assert read(located(place, pl.String()))["n"].dtype == pl.String


def test_whatever_came_meanwhile_is_a_conflict(place: str) -> None:
    """Also a day that is in nobody's way: its file has the old type. And who comes later with the old type fails."""
    late = located(place, pl.Int64()).snapshot_to_write()
    snapshot = located(place, pl.String()).snapshot_to_write()
    rebuild_numbers(located(place, pl.Int64()), (WEDNESDAY, [3]))
    with pytest.raises(ConflictError):
        rebuild(snapshot, DAYS)
    assert read(snapshot.table)["n"].to_list() == [0, 1, 3]  # type: ignore[arg-type]
    rebuild(located(place, pl.String()).snapshot_to_write(), [*DAYS, WEDNESDAY])
    with pytest.raises(ConflictError):
        rebuild_numbers(late.table, (WEDNESDAY + timedelta(days=1), [4]), snapshot=late)  # type: ignore[arg-type]
    with pytest.raises(TableError, match="the table has string, the catalog says long"):
        located(place, pl.Int64()).snapshot_to_write()


def test_other_tables_keep_their_types(tmp_path: Path) -> None:
    """Nobody rebuilds all of them at once."""
    rebuild_numbers(lessons_table(tmp_path, SCHEMA), (MONDAY, [1]))
    with pytest.raises(TableError, match="the table has long, the catalog says string"):
        lessons_table(tmp_path, pl.Schema({**SCHEMA, "n": pl.String()})).snapshot_to_write()


VARIANT = {"a": pl.String(), "l": pl.List(pl.Struct({"x": pl.Map(pl.String(), pl.String())}))}


def test_variants_are_known_by_their_field() -> None:
    """To other readers they are texts; where nothing is said of them, they stay."""
    texts, variants = to_delta(pl.Schema(VARIANT), {}), to_delta(pl.Schema(VARIANT), {}, [("a",), ("l", "x")])
    assert pl.Schema(texts) == pl.Schema(variants) == pl.Schema(VARIANT)
    stored = merged("t", Schema([]), texts, widens=True)
    wider = merged("t", stored, variants, widens=True)
    changes = ["a: string → variant", "l.x: map<string, string> → map<string, variant>"]
    assert [str(each) for each in retyped(stored, wider)] == changes
    assert merged("t", wider, variants, widens=True) == wider
    assert merged("t", wider, texts) == wider
    with pytest.raises(TableError, match=r"t\.a: the table has variant, the catalog says string"):
        merged("t", wider, texts, widens=True)


def test_an_array_of_variants_becomes_a_variant() -> None:
    """The field says so of both: what it is of an array are the items."""
    items, variant = (to_delta(pl.Schema({"a": dtype}), {}, [("a",)]) for dtype in (pl.List(pl.String), pl.String))
    stored = merged("t", Schema([]), items, widens=True)
    wider = merged("t", stored, variant, widens=True)
    assert list(map(str, retyped(stored, wider))) == ["a: array<variant> → variant"]
    with pytest.raises(TableError, match=r"t\.a: the table has variant, the catalog says array<variant>"):
        merged("t", wider, items, widens=True)

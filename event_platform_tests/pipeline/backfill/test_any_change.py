"""Whatever changes in a catalog: due are exactly the partitions that a rebuild would give other rows."""

import shutil
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from event_platform.lake.snapshot_cache import _CACHE
from event_platform.pipeline.backfill.find import Backfills, find_backfills
from event_platform.pipeline.typing.step import type_all
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, event

DAYS = (MONDAY, TUESDAY, WEDNESDAY)
TABLE = "events/t"

STRING, INTEGER = {"type": "string"}, {"type": "integer"}
_INNER = {"os": STRING, "version": INTEGER, "deep": {"type": "object", "properties": {"x": STRING}}}


def _object(names: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: _INNER[name] for name in names}}


_OBJECTS = st.lists(st.sampled_from(sorted(_INNER)), min_size=1, unique=True).map(_object)

#: Definitions by the column that holds them: a column keeps its type, though objects gain and lose fields.
_DEFINITIONS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "text": st.just(STRING),
    "whole": st.just(INTEGER),
    "real": st.just({"type": "number"}),
    "day": st.just({"type": "string", "format": "date"}),
    "tags": st.just({"type": "array", "items": STRING}),
    "device": _OBJECTS,
    "items": _OBJECTS.map(lambda inner: {"type": "array", "items": inner}),
    "scores": st.just({"type": "object", "x-map": True, "additionalProperties": INTEGER}),
    "boxes": _OBJECTS.map(lambda inner: {"type": "object", "x-map": True, "additionalProperties": inner}),
}

_VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, "a", "2025-06-02", 1, 1.5, True, [], {}, ["a"], ["a", 1], [[]]),
        *({"os": "ios"}, {"os": 1, "version": 2}, {"version": None}, {"deep": {}}, {"deep": {"x": "y", "z": 1}}),
        *([{"os": "ios"}], [{}], [{"deep": {"x": "y"}}, {"version": 1}], [{"os": "a", "more": 1}]),
        *({"k": 1, "l": "x"}, {"k": {"os": "ios", "q": []}}, {"k": {}}),
    ]
)
_FIELDS = ("a", "b", "é")
_PAYLOADS = st.dictionaries(st.sampled_from(_FIELDS), _VALUES, max_size=3)


@st.composite
def _properties(draw: st.DrawFn) -> dict[str, Any]:
    """Return properties with different columns; a field may have any, and another one in the next catalog."""
    columns = draw(st.permutations(sorted(_DEFINITIONS)))
    fields = draw(st.lists(st.sampled_from(_FIELDS), unique=True))
    return {
        field: {**draw(_DEFINITIONS[column]), "x-column": column}
        for field, column in zip(fields, columns, strict=False)
    }


@st.composite
def _changes(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the properties of two catalogs, of which each property may be the same."""
    old, new = draw(_properties()), draw(_properties())
    fields = draw(st.lists(st.sampled_from(_FIELDS), unique=True))
    columns = {old[field]["x-column"] for field in fields if field in old}
    new = {field: each for field, each in new.items() if field not in fields and each["x-column"] not in columns}
    return old, {**new, **{field: old[field] for field in fields if field in old}}


def _write(world: World, properties: dict[str, Any]) -> None:
    schema = {"title": "t", "type": "object", "properties": properties}
    (world.root / "catalog" / "t.yaml").write_text(yaml.safe_dump(schema), encoding="utf-8")


def _days(world: World) -> dict[date, pl.DataFrame]:
    rows = world.events("t").partition_by("created_date", as_dict=True)
    return {day: part.sort("event_uuid") for (day,), part in rows.items()}


def _backfills(world: World) -> Backfills:
    tables = {"t": world.event_table("t").snapshot()}
    return find_backfills(world.lake, world.catalog, world.lake.deduplicated_events.snapshot(), tables, (), None)


def _rebuilt(world: World, folder: Path) -> dict[date, pl.DataFrame]:
    """Return the rows of a copy that is rebuilt."""
    shutil.copytree(world.root, folder, dirs_exist_ok=True)
    copy = World(folder, schemas={})
    with copy.pipeline() as context:
        type_all(context, copy.catalog, ["t"], DAYS, rebuild=True)
    return _days(copy)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@example(({}, {"a": {**STRING, "x-column": "text"}}), [[{"a": []}], [{"a": None}], [{"a": "x"}]])
@example(({}, {"a": {"type": "array", "items": STRING}}), [[{"a": []}], [{"b": 1}], [{}]])
@given(_changes(), st.lists(st.lists(_PAYLOADS, max_size=3), min_size=3, max_size=3))
def test_due_is_what_a_rebuild_would_change(
    change: tuple[dict[str, Any], dict[str, Any]], payloads: list[list[dict[str, Any]]]
) -> None:
    """And when it is built, nothing is; rows that are the same are not written."""
    old, new = change
    with TemporaryDirectory() as folder, TemporaryDirectory() as other:
        world = World(Path(folder), schemas={})
        _write(world, old)
        for day, bodies in zip(DAYS, payloads, strict=True):
            world.deliver(day, "a", *(event(f"{day}{n}", day, "t", **body) for n, body in enumerate(bodies)))
        world.load(*DAYS)
        world.deduplicate(*DAYS)
        world.type(*DAYS)
        _write(world, new)
        before, after = _days(world), _rebuilt(world, Path(other))
        differing = {day for day in after if not before[day].equals(after[day])}
        backfills = _backfills(world)
        assert (backfills.failing, backfills.unexamined) == ({}, {})
        assert backfills.days == differing
        assert backfills.due.keys() <= {TABLE}
        files = world.event_table("t").snapshot().paths_by_date()
        if differing:
            world.type(*sorted(differing), keys=["t"])
        assert _backfills(world).due == {}
        new_paths = world.event_table("t").snapshot().paths_by_date()
        assert {day for day in files if files[day] != new_paths[day]} == differing
        for key in [key for key in _CACHE if folder in key or other in key]:
            del _CACHE[key]

"""A lake with all that tables can hold."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from event_platform.lake.file_writer import write_file
from event_platform.lake.lake import Lake
from event_platform.lake.table_commit import TableCommit
from event_platform.pipeline.own_tables import write_frame
from event_platform_tests.support.field_ids import forget_ids
from event_platform_tests.support.world import MONDAY, SCHEMAS, TUESDAY, WEDNESDAY, World, event, write_catalog

_STRANGE = pl.Schema(
    {
        "created_date": pl.Date(),
        "select": pl.Int64(),
        "a.b": pl.Decimal(12, 2),
        "größe in cm": pl.Float64(),
        "Äther/%20 #1": pl.String(),
        "at": pl.Datetime("us", "UTC"),
        "on": pl.Date(),
        "wide": pl.Decimal(38, 10),
        "raw": pl.Binary(),
        "box": pl.Struct({"in ner": pl.Struct({"x": pl.Decimal(20, 4), "tags": pl.List(pl.String())})}),
        "items": pl.List(pl.Struct({"price": pl.Float64(), "tags": pl.List(pl.String())})),
        "labels": pl.Map(pl.String(), pl.Int64()),
        "places": pl.Map(pl.String(), pl.List(pl.Struct({"x": pl.Int64()}))),
        "empty": pl.Boolean(),
    }
)


def strange_rows(day: date, number: int) -> pl.DataFrame:
    """Return a row with a value in each column, one of extremes, and one of nulls."""
    full: dict[str, Any] = {
        "select": number,
        "a.b": Decimal("1.50"),
        "größe in cm": 1.5,
        "Äther/%20 #1": "ü\n'\"",
        "at": datetime(2025, 6, 2, 12, 30, 15, 123456, UTC),
        "on": date(2000, 2, 29),
        "wide": Decimal("1234567890123456789012345678.0123456789"),
        "raw": b"\x00\xff",
        "box": {"in ner": {"x": Decimal("-1.5"), "tags": ["a", None]}},
        "items": [{"price": 1.5, "tags": ["x", None]}, {"price": None, "tags": []}],
        "labels": {"k": 1, "none": None},
        "places": {"k": [{"x": 1}], "none": []},
        "empty": None,
    }
    extreme = {"select": -(2**63), "größe in cm": float("nan"), "Äther/%20 #1": "", "on": date(1, 1, 1)}
    extreme |= {"at": datetime(1, 1, 1, tzinfo=UTC), "wide": Decimal("-9999999999999999999999999999.9999999999")}
    dated = [{"created_date": day, **row} for row in (full, {**full, **extreme}, {})]
    return pl.DataFrame(dated, schema=_STRANGE)


def fill(world: World) -> None:
    """Build tables by appends, rebuilds and replaced objects, some columns and fields later than others."""
    lake = world.lake
    world.deliver(
        MONDAY, "a", *(event(f"u{n}", plan="free") for n in range(9)), event("u1"), "{broken", event("x", name="n")
    )
    lesson = event(
        "l1", name="lesson:started", user="usr_1", score=0.5, due="2025-06-09T08:30:00+02:00", skills=["a", None]
    )
    world.deliver(MONDAY, "b", {**lesson, "device": {"os": "ios"}, "answers": [{"id": 1, "right": True}], "more": 1})
    world.deliver(MONDAY, "x", event("x", name="no:table"))
    world.build(MONDAY)
    world.deliver(MONDAY, "c", event("u20", plan="pro"), event("l2", name="lesson:started"), event("u20"))  # appended
    world.deliver(MONDAY, "a", *(event(f"u{n}", plan="pro") for n in range(7)), "{broken")  # replaced
    world.build(MONDAY)
    properties = dict(SCHEMAS["lesson_started"]["properties"])
    properties["device"] = {"type": "object", "properties": {"model": {"type": "string"}, "os": {"type": "string"}}}
    answer = {"id": {"type": "integer"}, "why": {"type": "object", "properties": {"text": {"type": "string"}}}}
    properties["answers"] = {"type": "array", "items": {"type": "object", "properties": answer}}
    properties = {"streak": {"type": "integer"}, **properties}
    write_catalog(world.root / "catalog", {"lesson_started": {**SCHEMAS["lesson_started"], "properties": properties}})
    later = {"device": {"model": "m", "os": "web"}, "answers": [{"id": 2, "why": {"text": "t"}}], "streak": 7}
    world.deliver(TUESDAY, "a", event("l3", TUESDAY, "lesson:started", **later), event("u30", TUESDAY))
    world.build(TUESDAY)
    for number, day in enumerate((MONDAY, TUESDAY, WEDNESDAY, MONDAY)):
        write_frame(lake, "own/strange", strange_rows(day, number).lazy(), [day])
    more = strange_rows(TUESDAY, 9).with_columns(new=pl.lit(1, pl.Int64), select=pl.lit(None, pl.Int64))
    write_frame(lake, "own/strange", more.lazy(), [TUESDAY])
    _fill_old(lake)
    write_frame(lake, "own/whole", pl.LazyFrame({"n": [1, None], "s": [{"x": [1]}, None]}), None)


def _fill_old(lake: Lake) -> None:
    """Fill a table of an earlier release, whose files have no ids, and append a file of today."""
    rows = strange_rows(MONDAY, 1)
    table = lake.own_table("own/old", rows.schema, "created_date")
    table.create_log()
    forget_ids(table)
    add = write_file(rows, table, MONDAY)
    TableCommit(table.snapshot()).append([MONDAY], [add], {MONDAY: 1}).commit()
    write_frame(lake, "own/old", strange_rows(TUESDAY, 2).with_columns(new=pl.lit(1, pl.Int64)).lazy(), [TUESDAY])

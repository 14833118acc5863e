"""Events with an object of many fields, or of keys that are data: draft, type, write and check them.

    python -m bench.scale_fields fields|keys 2000 lake

Without Dagster, so that the price of what else a run does hides nothing. Prints what came out, as JSON.
"""

import json
import random
import sys
from collections.abc import Iterator, Sequence

import polars as pl

from event_platform.checks import conformance
from event_platform.events.catalog import EventType
from event_platform.events.column_definitions import parse_columns
from event_platform.events.constraints import count_broken_constraints
from event_platform.events.draft import Draft
from event_platform.events.drift import count_drift
from event_platform.events.envelope import Envelope
from event_platform.events.payload import PayloadReader
from event_platform.lake.file_writer import write_file
from event_platform.lake.specs import TableSpec
from event_platform.lake.tables import Table
from event_platform.storage.storage import Storage

EVENTS = 200
_NAME = "area0:happened0"


def measure(kind: str, count: int, lake: str) -> dict[str, int]:
    """Type events whose object has `count` fields, or keys that are data; return figures of the result."""
    keys = [f"field_{number}" if kind == "fields" else f"user_{100_000 + number}" for number in range(count)]
    bodies = list(_bodies(keys))
    draft = Draft(Envelope())
    draft.add([_NAME] * EVENTS, bodies)
    schema = draft.schemas()[_NAME]
    if kind == "fields":  # a draft takes so many for keys of a map
        schema["properties"]["o"] = {
            "type": "object",
            "properties": {key: {"type": "integer", "minimum": 0} for key in keys},
        }
    event_type = EventType(_NAME, "wide", parse_columns(schema, "properties", []))
    rows = PayloadReader(event_type, Envelope()).read(pl.Series(bodies))
    write_file(rows, Table(TableSpec("wide"), Storage(lake)))
    broken = count_broken_constraints(event_type, rows.lazy(), {"rows": pl.len()}).collect().row(0, named=True)
    drift = count_drift(rows["_rescued"].drop_nulls(), event_type.columns)
    metadata = conformance.check_day(conformance.count_day(event_type, broken, drift)).metadata
    figures = {name: int(str(metadata[name])) for name in ("values_rescued", "values_expected")}
    return {"rows": rows.height, "rescued": rows.height - rows["_rescued"].null_count(), **figures}


def truth(kind: str) -> dict[str, int]:
    """Return the expected figures: half of the events have a value that does not fit; a draft of a map expects it."""
    misfits, expected = (EVENTS // 2, 0) if kind == "fields" else (0, EVENTS // 2)
    return {"rows": EVENTS, "rescued": EVENTS // 2, "values_rescued": misfits, "values_expected": expected}


def _bodies(keys: Sequence[str]) -> Iterator[str]:
    """Yield events whose keys come in any order; the first one is a text in each second event."""
    rng = random.Random(0)  # noqa: S311 - a sample, no secret
    for number in range(EVENTS):
        shuffled = rng.sample(keys, len(keys))
        values = {key: "text" if number % 2 and key == keys[0] else number for key in shuffled}
        head = {"event_uuid": f"{number}", "event_name": _NAME, "created_at": 1_748_736_000}
        yield json.dumps({**head, "o": values})


def main(arguments: Sequence[str]) -> None:
    """Measure `fields|keys <count> <lake>`."""
    kind, count, lake = arguments
    print(json.dumps(measure(kind, int(count), lake)))  # noqa: T201 - for bench.scale_cases


if __name__ == "__main__":
    main(sys.argv[1:])

"""Peer: typed events by dlt, appended to Delta tables.

    python dlt_delta.py landing catalog output

It reads every object, parses each line, and hands what is sound to dlt with the table, columns and types that the
catalog has for it; dlt normalizes and appends it to one Delta table for each event type, partitioned by created_date.
Corrupt records and events of other names go to two tables of their own, with their text.

What it does not do: **deduplicate**. dlt can merge into Delta by a key, which reads the table anew at each load; it has
no rule by which the first arrival stays. There are no copies of the records as they landed, either. And otherwise than
the job asks for, and counted by `bench`:
- objects and arrays are JSON texts (dlt has no structs; tables of their own, its other way, would be hundreds);
- a value that does not fit its column is in a column of its own (a "variant"), as is an unknown field.

Settings, from dlt's "Optimizing dlt": pages, not rows; orjson; two processes to normalize, each with files of its own;
the 20 loaders of its default, which mostly wait (with two it took three times as long); larger buffers; hints, so that
nothing is inferred; no nested tables.
"""

import gzip
import os
import shutil
import sys
import zlib
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import yaml

_WORKERS = "2"
os.environ |= {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "NORMALIZE__WORKERS": _WORKERS,
    "DATA_WRITER__BUFFER_MAX_ITEMS": "20000",
    "NORMALIZE__START_METHOD": "spawn",
}

import dlt  # noqa: E402 - it reads its settings from the environment

_SCALARS = {"string": "text", "integer": "bigint", "number": "double", "boolean": "bool"}
_FORMATS = {"date-time": "timestamp", "date": "date"}
_NESTED = {"object": "json", "array": "json"}
_MAX_RECORD_BYTES = 10_485_760
_FIRST_DATE = datetime(2025, 1, 1, tzinfo=UTC)
_PAGE = 20_000  # lines

_EVENT = {
    "event_uuid": "text",
    "event_name": "text",
    "created_at": "double",
    "created_datetime": "timestamp",
    "created_date": "date",
    "event_type": "text",
    "event_subtype": "text",
}


def main(landing: Path, catalog: Path, output: Path) -> None:
    """Do the job from a landing folder into a new output folder."""
    output.mkdir(parents=True)
    pipeline = dlt.pipeline(
        "bench",
        destination=dlt.destinations.filesystem(bucket_url=str(output)),
        dataset_name="events",
        pipelines_dir=str(output / "working"),
    )
    columns = {schema["title"]: _columns(schema) for schema in _schemas(catalog)}
    pipeline.run(_events(landing, columns), write_disposition="append")
    shutil.rmtree(output / "working")


@dlt.resource(name="events", table_format="delta", max_table_nesting=0)
def _events(landing: Path, columns: dict[str, dict[str, Any]]) -> Iterator[Any]:
    for path in sorted(landing.rglob("*.gz")):
        arrival = datetime.strptime(path.parent.relative_to(landing).as_posix(), "%Y/%m/%d/%H").replace(tzinfo=UTC)
        last = arrival.replace(hour=0) + timedelta(days=2)
        lines = _lines(path)
        for start in range(0, len(lines), _PAGE):
            pages: dict[str, list[dict[str, Any]]] = defaultdict(list)
            for line in lines[start : start + _PAGE]:
                name, row = _judged(line, last, columns)
                pages[name].append(row)
            for name, rows in pages.items():
                yield _hinted(name, rows, columns)


def _lines(path: Path) -> list[bytes]:
    try:
        return gzip.decompress(path.read_bytes()).split(b"\n")[:-1]
    except (OSError, EOFError, zlib.error):
        return [b""]


def _judged(line: bytes, last: datetime, columns: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Return the event's name and its row; the name is empty for a corrupt record, `*` where the catalog lacks it."""
    try:
        event = orjson.loads(line)
        uuid, name, created_at = event["event_uuid"], event["event_name"], event["created_at"]
        created = datetime.fromtimestamp(created_at, UTC)
        kind, *rest = name.split(":")
        sound = len(line) <= _MAX_RECORD_BYTES and uuid and kind and all(rest) and _FIRST_DATE <= created < last
        if not sound or not kind[0].isalnum():
            return "", {"body": line[:4096].decode("utf-8", "backslashreplace")}
    except (ValueError, TypeError, KeyError, OverflowError, AttributeError, OSError):
        return "", {"body": line[:4096].decode("utf-8", "backslashreplace")}
    if name not in columns:
        return "*", {"event_uuid": uuid, "event_name": name, "created_date": created.date(), "body": line.decode()}
    event["created_at"] = float(created_at)
    event["created_datetime"] = created
    event["created_date"] = created.date()
    event["event_type"] = kind
    event["event_subtype"] = rest[0] if rest else None
    return name, event


def _hinted(name: str, rows: list[dict[str, Any]], columns: dict[str, dict[str, Any]]) -> Any:
    if name not in columns:
        return dlt.mark.with_table_name(rows, "unregistered" if name else "corrupt")
    hints = dlt.mark.make_hints(table_name=name.replace(":", "_"), columns=columns[name])
    return dlt.mark.with_hints(rows, hints, create_table_variant=True)


def _columns(schema: dict[str, Any]) -> dict[str, Any]:
    types = {**_EVENT, **{name: _type(each) for name, each in schema["properties"].items()}}
    columns: dict[str, Any] = {name: {"data_type": kind, "nullable": True} for name, kind in types.items()}
    columns["created_date"]["partition"] = True
    return columns


def _type(definition: dict[str, Any]) -> str:
    kind = definition["type"]
    return _NESTED.get(kind) or _FORMATS.get(definition.get("format", ""), _SCALARS.get(kind, "text"))


def _schemas(catalog: Path) -> list[dict[str, Any]]:
    documents = [
        yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader) for path in sorted(catalog.glob("*.yaml"))
    ]
    return [each for each in documents if "title" in each]


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))

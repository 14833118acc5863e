"""Peer: typed events by dlt, appended to Delta tables.

    python dlt_delta.py landing catalog output [--arrow]

It reads every object, parses each line, and hands what is sound to dlt with the table, columns and types that the
catalog has for it; dlt normalizes and appends it to one Delta table for each event type, partitioned by created_date.
Corrupt records and events of other names go to two tables of their own, with their text.

With `--arrow`, what is handed over are Arrow tables instead of rows, as dlt's "Arrow table / Pandas" page recommends:
dlt passes them on as they are. pyarrow reads them from the lines, with the columns of the catalog.

What it does not do: **deduplicate**. dlt can merge into Delta by a key, which reads the whole table each time; it has
no rule by which the first arrival stays. There are no copies of the records as they landed, either. And otherwise than
the job asks for, and counted by `bench`:
- of rows, objects and arrays become JSON texts (dlt has no structs; tables of their own, its other way, would be
  hundreds), and a value that does not fit its column goes to a column of its own, as does an unknown field;
- of Arrow tables, a value that does not fit is null, in silence, and unknown fields are lost.

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
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import yaml

# Before the import: dlt reads its settings from the environment.
os.environ |= {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "NORMALIZE__WORKERS": "2",
    "NORMALIZE__START_METHOD": "spawn",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "20000",
}

import dlt

_MAX_RECORD_BYTES = 10_485_760
_FIRST_DATE = datetime(2025, 1, 1, tzinfo=UTC)
_PAGE = 20_000  # lines

_SCALARS = {"string": "text", "integer": "bigint", "number": "double", "boolean": "bool"}
_FORMATS = {"date-time": "timestamp", "date": "date"}
_EVENT = {
    "event_uuid": "text",
    "event_name": "text",
    "created_at": "double",
    "created_datetime": "timestamp",
    "created_date": "date",
    "event_type": "text",
    "event_subtype": "text",
}

_ARROW_SCALARS = {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
_ARROW_FORMATS = {"date-time": pa.timestamp("us", "UTC"), "date": pa.date32()}
_ARROW_EVENT = [("event_uuid", pa.string()), ("event_name", pa.string()), ("created_at", pa.float64())]
_PYTHON = {"string": str, "integer": int, "number": int | float, "boolean": bool, "object": dict, "array": list}

Schema = dict[str, Any]


def main(landing: Path, catalog: Path, output: Path, *, arrow: bool) -> None:
    """Do the job from a landing folder into a new output folder."""
    output.mkdir(parents=True)
    pipeline = dlt.pipeline(
        "bench",
        destination=dlt.destinations.filesystem(bucket_url=str(output)),
        dataset_name="events",
        pipelines_dir=str(output / "working"),
    )
    pipeline.run(_events(landing, _schemas(catalog), arrow=arrow), write_disposition="append")
    shutil.rmtree(output / "working")


@dlt.resource(name="events", table_format="delta", max_table_nesting=0)
def _events(landing: Path, schemas: dict[str, Schema], *, arrow: bool) -> Iterator[Any]:
    for path in sorted(landing.rglob("*.gz")):
        arrival = datetime.strptime(path.parent.relative_to(landing).as_posix(), "%Y/%m/%d/%H").replace(tzinfo=UTC)
        last = arrival.replace(hour=0) + timedelta(days=2)
        lines = _lines(path)
        for start in range(0, len(lines), _PAGE):
            pages: dict[str, list[tuple[bytes, Any]]] = defaultdict(list)
            for line in lines[start : start + _PAGE]:
                event = _sound(line, last)
                pages[event["event_name"] if event else ""].append((line, event))
            for name, page in pages.items():
                if name in schemas:
                    yield _typed(name, schemas[name], page, arrow=arrow)
                else:
                    bodies = [{"body": line[:4096].decode("utf-8", "backslashreplace")} for line, _ in page]
                    yield dlt.mark.with_table_name(bodies, "unregistered" if name else "corrupt")


def _lines(path: Path) -> list[bytes]:
    try:
        return gzip.decompress(path.read_bytes()).split(b"\n")[:-1]
    except (OSError, EOFError, zlib.error):
        return [b""]


def _sound(line: bytes, last: datetime) -> dict[str, Any] | None:
    """Return the event in a line, or None where it is corrupt."""
    try:
        event: dict[str, Any] = orjson.loads(line)
        name, created_at = event["event_name"], event["created_at"]
        in_range = _FIRST_DATE <= datetime.fromtimestamp(created_at, UTC) < last
        named = event["event_uuid"] and all(name.split(":")) and name[0].isalnum()
    except (ValueError, TypeError, KeyError, OverflowError, AttributeError, IndexError, OSError):
        return None
    return event if in_range and named and len(line) <= _MAX_RECORD_BYTES else None


def _typed(name: str, schema: Schema, page: list[tuple[bytes, Any]], *, arrow: bool) -> Any:
    """Return a page of events of one type, with the table and the columns that it has. The name is the catalog's."""
    columns = {"created_date": {"data_type": "date", "partition": True}} if arrow else _columns(schema)
    data = _table([line for line, _ in page], name, schema) if arrow else [_row(event) for _, event in page]
    hints = dlt.mark.make_hints(table_name=name.replace(":", "_"), columns=columns)
    return dlt.mark.with_hints(data, hints, create_table_variant=True)


def _row(event: dict[str, Any]) -> dict[str, Any]:
    created = datetime.fromtimestamp(event["created_at"], UTC)
    kind, *rest = event["event_name"].split(":")
    return event | {
        "created_at": float(event["created_at"]),
        "created_datetime": created,
        "created_date": created.date(),
        "event_type": kind,
        "event_subtype": rest[0] if rest else None,
    }


def _columns(schema: Schema) -> dict[str, Any]:
    types = _EVENT | {field: _type(property_) for field, property_ in schema["properties"].items()}
    columns: dict[str, Any] = {field: {"data_type": kind, "nullable": True} for field, kind in types.items()}
    columns["created_date"]["partition"] = True
    return columns


def _type(definition: Schema) -> str:
    if definition["type"] in {"object", "array"}:
        return "json"
    return _FORMATS.get(definition.get("format", ""), _SCALARS[definition["type"]])


def _table(lines: list[bytes], name: str, schema: Schema) -> pa.Table:
    try:
        table = _read(lines, schema)
    except pa.ArrowInvalid:
        table = _read([_without_misfits(line, schema) for line in lines], schema)
    micros = pc.cast(pc.multiply(table["created_at"], 1_000_000.0), pa.int64())
    created = pc.cast(micros, pa.timestamp("us", "UTC"))
    kind, *rest = name.split(":")
    return (
        table.append_column("created_datetime", created)
        .append_column("created_date", pc.cast(created, pa.date32()))
        .append_column("event_type", pa.repeat(kind, table.num_rows))
        .append_column("event_subtype", pa.repeat(pa.scalar(rest[0] if rest else None, pa.string()), table.num_rows))
    )


def _read(lines: list[bytes], schema: Schema) -> pa.Table:
    fields = pa.schema(
        [*_ARROW_EVENT, *((field, _arrow(property_)) for field, property_ in schema["properties"].items())]
    )
    data = b"\n".join(lines)
    # pyarrow reads no dates from JSON, but makes them of texts.
    written = pa.schema([(field.name, pa.string() if field.type == pa.date32() else field.type) for field in fields])
    table = pyarrow.json.read_json(
        pa.BufferReader(data),
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=pyarrow.json.ParseOptions(explicit_schema=written, unexpected_field_behavior="ignore"),
    )
    return table.select(fields.names).cast(fields)


def _arrow(definition: Schema) -> pa.DataType:
    match definition["type"]:
        case "object":
            return pa.struct([(field, _arrow(property_)) for field, property_ in definition["properties"].items()])
        case "array":
            return pa.list_(_arrow(definition["items"]))
        case scalar:
            return _ARROW_FORMATS.get(definition.get("format", ""), _ARROW_SCALARS[scalar])


def _without_misfits(line: bytes, schema: Schema) -> bytes:
    """Return a line without the fields whose values pyarrow would refuse the whole page for."""
    kinds = {field: _PYTHON[property_["type"]] for field, property_ in schema["properties"].items()}
    event = orjson.loads(line)
    return orjson.dumps({field: value for field, value in event.items() if isinstance(value, kinds.get(field, object))})


def _schemas(catalog: Path) -> dict[str, Schema]:
    texts = [path.read_text(encoding="utf-8") for path in sorted(catalog.glob("*.yaml"))]
    documents = [yaml.load(text, yaml.CSafeLoader) for text in texts]
    return {document["title"]: document for document in documents if "title" in document}


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), arrow="--arrow" in sys.argv[4:])

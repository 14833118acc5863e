"""Peer: the job in SQL, by DuckDB, into Parquet files.

    python duckdb_sql.py landing catalog output [--lean]

It reads every object as lines, keeps each record with its object and, where it is damaged, the reason, keeps the first
arrival of each event_uuid in the whole landing, and writes raw, corrupt, deduplicated and duplicate records, and one
folder of typed Parquet files for each event type of the catalog, by created_date. `--lean` writes the typed events
alone. There is no table format, no ledger, no `_rescued`, no report and no check.

What SQL does otherwise than the job asks for, and `bench` counts:
- DuckDB takes NaN, Infinity and trailing commas for JSON, so that such records pass for sound ones;
- a value that does not fit its column is null or cast, in silence, and unknown fields are lost.
An object that cannot be decompressed ends a query: those that break in their first bytes are found before it, others
would end the job.

Chosen by measuring, on one million events: rows in the order in which they were read, so that a row's number is its
order of arrival (a window over the lines keeps one core idle); keys alone are compared to deduplicate; deduplicated
events are sorted by name, so that 100 queries for a type each skip what is not theirs (typed events in half the CPU
time); a COPY for each file instead of PARTITION_BY (a quarter less); two cursors at once. zstd level 1 is the
platform's.
"""

import gzip
import json
import sys
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import yaml

_THREADS = 2
_PARQUET = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1"

#: Longest record, in bytes. The reader rejects a longer line.
_MAX_RECORD_BYTES = 10_485_760

#: Created dates from here to a day after arrival are in range.
_FIRST_DATE = date(2025, 1, 1)

#: A character that no JSON text can hold: every line is one value.
_SEPARATOR = "\x01"

_SCALARS = {"string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}
_FORMATS = {"date-time": "TIMESTAMPTZ", "date": "DATE"}

_NAME = r"[^\x00-\x1f\x7f]{1,200}"
_ARRIVAL_DATE = r"strptime(regexp_extract({path}, '\d{{4}}/\d\d/\d\d'), '%Y/%m/%d')::DATE"

_RAW = rf"""
CREATE TABLE raw AS
WITH read AS (
    SELECT filename, body, json_valid(body) AS is_json, CASE WHEN is_json THEN json_transform(
        body, '{{"event_uuid": "JSON", "event_name": "JSON", "created_at": "JSON"}}') END AS envelope
    FROM read_csv($objects, columns = {{'body': 'VARCHAR'}}, auto_detect = false, header = false, quote = '',
                  escape = '', delim = '{_SEPARATOR}', maximum_line_size = {_MAX_RECORD_BYTES}, store_rejects = true)
),
written AS (
    -- As JSON, a text keeps its quotes, so that 12 and "12" are not the same.
    SELECT filename, body, is_json, body[1] = '{{' AS is_object,
        envelope.event_uuid::VARCHAR AS uuid, envelope.event_name::VARCHAR AS name,
        envelope.created_at::VARCHAR AS moment
    FROM read
),
fields AS (
    SELECT *, if(uuid[1] = '"', uuid::JSON->>'$', NULL) AS event_uuid,
        if(name[1] = '"', name::JSON->>'$', NULL) AS event_name,
        try_cast(moment AS DOUBLE) AS created_at
    FROM written
),
dated AS (
    SELECT *, TRY(to_timestamp(created_at)) AS created_datetime, created_datetime::DATE AS created_date,
        {_ARRIVAL_DATE.format(path="filename")} AS arrival_date
    FROM fields
)
SELECT arrival_date, filename AS source_object, body, event_uuid, event_name, created_at, created_datetime,
    created_date, split_part(event_name, ':', 1) AS event_type,
    nullif(split_part(event_name, ':', 2), '') AS event_subtype,
    CASE
        WHEN NOT is_json THEN 'not_json'
        WHEN NOT is_object THEN 'not_an_object'
        WHEN event_uuid IS NULL OR length(event_uuid) NOT BETWEEN 1 AND 256 THEN 'missing_event_uuid'
        WHEN name IS NULL OR name = 'null' OR event_name = '' THEN 'missing_event_name'
        WHEN event_name IS NULL OR NOT regexp_full_match(event_name, '{_NAME}') THEN 'invalid_event_name'
        WHEN moment IS NULL OR moment = 'null' THEN 'missing_created_at'
        WHEN created_at IS NULL OR NOT isfinite(created_at) THEN 'invalid_created_at'
        WHEN created_date IS NULL OR created_date NOT BETWEEN $first_date AND arrival_date + 1
            THEN 'created_at_out_of_range'
    END AS corruption_reason
FROM dated
"""

_REJECTED = rf"""
INSERT INTO raw (arrival_date, source_object, body, corruption_reason)
SELECT DISTINCT {_ARRIVAL_DATE.format(path="file_path")}, file_path, csv_line,
    CASE error_type WHEN 'INVALID ENCODING' THEN 'not_utf8' ELSE 'record_too_large' END
FROM reject_errors JOIN reject_scans USING (scan_id, file_id)
"""

_BROKEN = rf"""
INSERT INTO raw (arrival_date, source_object, body, corruption_reason)
SELECT {_ARRIVAL_DATE.format(path="$path")}, $path, $error, 'unreadable_object'
"""

#: Records that another one of their event_uuid came before.
_LOSERS = """
CREATE TABLE losers AS
WITH again AS (
    SELECT event_uuid FROM raw WHERE corruption_reason IS NULL GROUP BY event_uuid HAVING count(*) > 1
),
ranked AS (
    SELECT rowid AS arrival, hash(body) AS body_hash, row_number() OVER arrivals AS rank,
        first(struct_pack(arrival := rowid, body_hash := hash(body))) OVER arrivals AS survivor
    FROM raw SEMI JOIN again USING (event_uuid)
    WHERE corruption_reason IS NULL
    WINDOW arrivals AS (PARTITION BY event_uuid ORDER BY rowid)
)
SELECT arrival, if(body_hash = survivor.body_hash, 'redelivery', 'conflict') AS kind, survivor.arrival AS survivor
FROM ranked WHERE rank > 1
"""

_DEDUPLICATED = """
CREATE TABLE deduplicated AS
SELECT rowid AS arrival, * EXCLUDE (corruption_reason) FROM raw
WHERE corruption_reason IS NULL AND rowid NOT IN (SELECT arrival FROM losers)
ORDER BY created_date, event_name
"""

#: What is written beside the typed events: query, its folder and the column that partitions it.
_RECORDS = [
    ("SELECT rowid AS arrival, * FROM raw", "raw", "arrival_date"),
    ("SELECT rowid AS arrival, * FROM raw WHERE corruption_reason IS NOT NULL", "corrupt", "arrival_date"),
    ("SELECT * FROM deduplicated", "deduplicated", "created_date"),
    (
        "SELECT raw.* EXCLUDE (corruption_reason), losers.* FROM raw JOIN losers ON raw.rowid = losers.arrival",
        "duplicates",
        "created_date",
    ),
]


def main(landing: Path, catalog: Path, output: Path, *, lean: bool) -> None:
    """Do the job from a landing folder into a new output folder."""
    output.mkdir(parents=True)
    database = duckdb.connect(config={"threads": _THREADS, "autoinstall_known_extensions": False})
    database.execute("SET GLOBAL TimeZone = 'UTC'")
    sound, broken = _readable(landing)
    database.execute(_RAW, {"objects": sound, "first_date": _FIRST_DATE})
    database.execute(_REJECTED)
    for path, error in broken:
        database.execute(_BROKEN, {"path": path, "error": error})
    database.execute(_LOSERS)
    database.execute(_DEDUPLICATED)
    for query, folder, column in [] if lean else _RECORDS:
        for day in _column(database, f"SELECT DISTINCT {column} FROM ({query})"):
            _write(database, query, output / folder, column, day)
    _in_pairs(lambda schema: _write_typed(database.cursor(), schema, output / "events"), _schemas(catalog))


def _readable(landing: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Tell the objects that can be opened from those that cannot, which come with the error."""
    sound, broken = [], []
    for path in sorted(landing.rglob("*.gz")):
        try:
            with gzip.open(path) as opened:
                opened.read(1)
            sound.append(str(path))
        except (OSError, EOFError, zlib.error) as error:
            broken.append((str(path), str(error)))
    return sound, broken


def _column(database: duckdb.DuckDBPyConnection, query: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
    return [value for (value,) in database.execute(query, parameters).fetchall()]


def _write(database: duckdb.DuckDBPyConnection, query: str, folder: Path, column: str, day: date) -> None:
    """Write one partition. `query` and `column` are this module's, or the catalog's, never from data."""
    path = folder / f"{column}={day}" / "data.parquet"
    path.parent.mkdir(parents=True)
    database.execute(
        f"COPY (SELECT * EXCLUDE ({column}) FROM ({query}) WHERE {column} = DATE '{day}') "
        f"TO '{_quoted(str(path))}' ({_PARQUET})"
    )


def _write_typed(database: duckdb.DuckDBPyConnection, schema: dict[str, Any], folder: Path) -> None:
    name = schema["title"]
    structure = json.dumps({field: _type(property_) for field, property_ in schema["properties"].items()})
    query = (
        "SELECT event_uuid, event_name, created_at, created_datetime, created_date, event_type, event_subtype, "
        f"unnest(json_transform(body, '{_quoted(structure)}')) FROM deduplicated WHERE event_name = '{_quoted(name)}'"
    )
    for day in _column(database, "SELECT DISTINCT created_date FROM deduplicated WHERE event_name = ?", (name,)):
        _write(database, query, folder / name.replace(":", "_"), "created_date", day)


def _type(definition: dict[str, Any]) -> Any:
    """Return what json_transform makes of a property."""
    match definition["type"]:
        case "object":
            return {field: _type(property_) for field, property_ in definition["properties"].items()}
        case "array":
            return [_type(definition["items"])]
        case scalar:
            return _FORMATS.get(definition.get("format", ""), _SCALARS[scalar])


def _schemas(catalog: Path) -> list[dict[str, Any]]:
    documents = [
        yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader) for path in sorted(catalog.glob("*.yaml"))
    ]
    return [document for document in documents if "title" in document]


def _in_pairs(work: Callable[[Any], None], items: Iterable[Any]) -> None:
    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(work, items))


def _quoted(text: str) -> str:
    return text.replace("'", "''")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), lean="--lean" in sys.argv[4:])

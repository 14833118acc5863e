"""Peer: the job by PySpark on one machine, into Parquet files.

    python pyspark_local.py landing catalog output

It reads every object as lines and keeps each with its place and, where it is damaged, that it is; keeps the first
arrival of each event_uuid in the whole landing; and writes raw, deduplicated and duplicate records, and one folder of
typed Parquet files for each event type of the catalog, by created_date. Corrupt records are those of raw with a reason.
There is no table format, no ledger, no `_rescued` and no check.

What Spark does otherwise than the job asks for, and `bench` counts:
- a value that does not fit its column is null or cast, in silence, and unknown fields are lost;
- an object that cannot be decompressed is skipped without a report (`ignoreCorruptFiles`).

Settings, as in Spark's "Tuning" and "Job Scheduling" pages: local[2], adaptive execution, as many shuffle partitions as
cores have use for at this size, zstd; jobs of the event types are submitted by two threads, so that no core waits.
To deduplicate, keys alone are compared, and the few losers are broadcast. Deduplicated events are written by name, so
that a type's job reads its own files alone.
"""

import os
import shutil
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as sf
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DateType,
    DoubleType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"  # else it looks for an address first

_THREADS = 2
_MAX_RECORD_BYTES = 10_485_760

_SCALARS = {"string": StringType(), "integer": LongType(), "number": DoubleType(), "boolean": BooleanType()}
_FORMATS = {"date-time": TimestampType(), "date": DateType()}

#: Strict JSON: without these, Spark takes NaN for a number and a quote for a double one.
_JSON = {"allowNonNumericNumbers": "false", "allowSingleQuotes": "false", "mode": "PERMISSIVE"}
_ENVELOPE = "event_uuid STRING, event_name STRING, created_at DOUBLE, _corrupt STRING"
_NAME = r"^[^\x00-\x1f\x7f]{1,200}$"
_EVENT = ["event_uuid", "event_name", "created_at", "created_datetime", "created_date", "event_type", "event_subtype"]
_SOURCE = (
    "body STRING, event_uuid STRING, event_name STRING, created_at DOUBLE, created_datetime TIMESTAMP, "
    "created_date DATE, event_type STRING, event_subtype STRING"
)


def main(landing: Path, catalog: Path, output: Path) -> None:
    """Do the job from a landing folder into a new output folder."""
    output.mkdir(parents=True)
    spark = _session(output / "temporary")
    schemas = _schemas(catalog)
    _judged(_lines(spark, landing)).write.parquet(str(output / "raw"))
    sound = spark.read.parquet(str(output / "raw")).where("corruption_reason IS NULL").drop("corruption_reason")
    keys = {schema["title"]: schema["title"].replace(":", "_") for schema in schemas}
    losers = sf.broadcast(_losers(sound).persist())
    first = sound.join(losers, "arrival", "left_anti").withColumn("key", _key_of(keys))
    first.write.partitionBy("key").parquet(str(output / "deduplicated"))
    sound.join(losers, "arrival", "left_semi").write.parquet(str(output / "duplicates"))
    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(lambda schema: _write_typed(spark, schema, keys[schema["title"]], output), schemas))
    spark.stop()
    shutil.rmtree(output / "temporary")


def _session(temporary: Path) -> SparkSession:
    builder = SparkSession.builder.master(f"local[{_THREADS}]")
    for name, value in {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.driver.memory": "6g",
        "spark.local.dir": str(temporary),
        "spark.scheduler.mode": "FAIR",
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.shuffle.partitions": "8",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "false",
        "spark.sql.files.ignoreCorruptFiles": "true",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    }.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def _lines(spark: SparkSession, landing: Path) -> DataFrame:
    """Return body, source_object and arrival, which rises with the place of a line in its object."""
    lines = spark.read.option("recursiveFileLookup", "true").option("pathGlobFilter", "*.gz").text(str(landing))
    return lines.where("length(value) > 0").select(
        sf.col("value").alias("body"),
        sf.input_file_name().alias("source_object"),
        sf.monotonically_increasing_id().alias("arrival"),
    )


def _judged(lines: DataFrame) -> DataFrame:
    envelope = sf.from_json("body", _ENVELOPE, {**_JSON, "columnNameOfCorruptRecord": "_corrupt"})
    path = sf.regexp_extract("source_object", r"\d{4}/\d\d/\d\d", 0)
    frame = (
        lines.withColumn("envelope", envelope)
        .select("body", "source_object", "arrival", "envelope.*", sf.to_date(path, "yyyy/MM/dd").alias("arrival_date"))
        .withColumn("created_datetime", sf.timestamp_micros((sf.col("created_at") * 1_000_000).cast("long")))
        .withColumn("created_date", sf.to_date("created_datetime"))
        .withColumn("event_type", sf.split_part("event_name", sf.lit(":"), sf.lit(1)))
        .withColumn("event_subtype", sf.nullif(sf.split_part("event_name", sf.lit(":"), sf.lit(2)), sf.lit("")))
    )
    return frame.withColumn("corruption_reason", _reason()).drop("_corrupt")


def _reason() -> Column:
    in_range = sf.col("created_date").between(sf.lit("2025-01-01"), sf.date_add("arrival_date", 1))
    return (
        sf.when(sf.length("body") > _MAX_RECORD_BYTES, "record_too_large")
        .when(~sf.is_valid_utf8("body"), "not_utf8")
        # from_json does not distinguish a text that is not JSON from a field of another type.
        .when(sf.col("_corrupt").isNotNull() | ~sf.startswith("body", sf.lit("{")), "not_json_or_wrong_type")
        .when(sf.coalesce("event_uuid", sf.lit("")) == "", "missing_event_uuid")
        .when(sf.coalesce("event_name", sf.lit("")) == "", "missing_event_name")
        .when(~sf.col("event_name").rlike(_NAME), "invalid_event_name")
        .when(sf.col("created_at").isNull(), "missing_created_at")
        .when(~sf.coalesce(in_range, sf.lit(col=False)), "created_at_out_of_range")
    )


def _losers(sound: DataFrame) -> DataFrame:
    """Return the arrival of every record that another one of its event_uuid came before. No body is shuffled for it."""
    again = sound.groupBy("event_uuid").count().where("count > 1")
    arrivals = Window.partitionBy("event_uuid").orderBy("arrival_date", "source_object", "arrival")
    return (
        sound.select("event_uuid", "arrival_date", "source_object", "arrival")
        .join(sf.broadcast(again), "event_uuid", "left_semi")
        .withColumn("rank", sf.row_number().over(arrivals))
        .where("rank > 1")
        .select("arrival")
    )


def _key_of(keys: dict[str, str]) -> Column:
    """Return the folder of an event's type. Names that the catalog lacks share one: data never becomes a path."""
    known = sf.create_map(*(sf.lit(each) for pair in keys.items() for each in pair))
    return sf.coalesce(known[sf.col("event_name")], sf.lit("unregistered"))


def _write_typed(spark: SparkSession, schema: dict[str, Any], key: str, output: Path) -> None:
    folder = output / "deduplicated" / f"key={key}"
    if not folder.is_dir():
        return
    payload = sf.from_json("body", _type(schema), _JSON).alias("payload")
    # With a given schema, reading does not begin with a job that infers it.
    frame = spark.read.schema(_SOURCE).parquet(str(folder)).select(*_EVENT, payload).select(*_EVENT, "payload.*")
    frame.coalesce(1).write.partitionBy("created_date").parquet(str(output / "events" / key))


def _type(definition: dict[str, Any]) -> DataType:
    match definition["type"]:
        case "object":
            return StructType(
                [StructField(name, _type(property_)) for name, property_ in definition["properties"].items()]
            )
        case "array":
            return ArrayType(_type(definition["items"]))
        case scalar:
            return _FORMATS.get(definition.get("format", ""), _SCALARS[scalar])


def _schemas(catalog: Path) -> list[dict[str, Any]]:
    paths: Iterable[Path] = sorted(catalog.glob("*.yaml"))
    documents = [yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader) for path in paths]
    return [document for document in documents if "title" in document]


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))

"""Hive partition keys in the path of an object (`tenant=acme/`): texts that become columns."""

import re
from collections.abc import Sequence
from urllib.parse import unquote

import polars as pl

from event_platform.events.event import ColumnSpec

#: What Hive writes for null.
_NULL = "__HIVE_DEFAULT_PARTITION__"


def path_column_specs(keys: Sequence[str]) -> list[ColumnSpec]:
    """Return the columns of partition keys."""
    return [ColumnSpec(key, pl.String, comment=f"{key}=… in the path of the landed object") for key in keys]


def path_columns(objects: pl.Series, keys: Sequence[str]) -> pl.DataFrame:
    """Return a column for each key, from the names of objects; null if a path does not have it."""
    return pl.DataFrame({key: _values(objects, key) for key in keys}, schema=dict.fromkeys(keys, pl.String))


def _values(objects: pl.Series, key: str) -> pl.Series:
    texts = objects.str.extract(rf"(?:^|/){re.escape(key)}=([^/]*)/", 1)
    encoded = texts.filter(texts.str.contains("%", literal=True)).unique().drop_nulls()
    return texts.replace({value: _decoded(value) for value in encoded} | {_NULL: None})


def _decoded(value: str) -> str:
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:  # not from Hive: unchanged
        return value

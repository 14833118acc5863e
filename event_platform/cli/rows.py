"""Rows of a query → a table or lines for people, JSON or CSV for programs."""

import re
import sys
from collections.abc import Iterator

import polars as pl
from polars._typing import PolarsDataType
from rich.table import Table as RichTable

from event_platform.cli.output import OUT, visible

#: Terminal control characters that JSON does not escape. In JSON they occur in strings only.
_CONTROLS = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def print_table(rows: pl.LazyFrame, limit: int | None) -> None:
    """Print the first rows (all without a limit), and how many more there are.

    They are a table, or a line for each value if the table is too wide for the terminal.
    """
    first = _as_text(rows if limit is None else rows.head(limit + 1)).collect(engine="streaming")
    frame = first.head(first.height if limit is None else limit)
    table = RichTable(*map(_cell, frame.columns))
    for row in frame.iter_rows():
        table.add_row(*map(_cell, row))
    if table.__rich_measure__(OUT, OUT.options.update(max_width=sys.maxsize)).maximum <= OUT.width:
        OUT.print(table)
    else:
        _print_lines(frame)
    if first.height > frame.height:
        more = rows.select(pl.len()).collect(engine="streaming").item() - frame.height
        OUT.print(f"{more:,} more rows; --json and --csv print all of them", soft_wrap=True)


def print_json(rows: pl.LazyFrame) -> None:
    """Print an array of all rows, batch by batch."""
    separator = "["
    for part in _parts(rows.select(_without_bytes(rows))):
        text = part.write_json()[1:-1]
        sys.stdout.write(separator + _CONTROLS.sub(_escaped, text))
        separator = ","
    sys.stdout.write("[]\n" if separator == "[" else "]\n")


def print_csv(rows: pl.LazyFrame) -> None:
    """Print all rows, batch by batch. Lists and structs are JSON; bytes are base64."""
    texts = _as_text(rows)
    _write_csv(pl.DataFrame(schema=texts.collect_schema()).write_csv())
    for part in _parts(texts):
        _write_csv(part.write_csv(include_header=False))


def _write_csv(text: str) -> None:
    # A file or a program gets the values of the table unchanged.
    sys.stdout.write(visible(text) if sys.stdout.isatty() else text)


def _parts(rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    return (part for part in rows.collect_batches(engine="streaming") if part.height)


def _print_lines(frame: pl.DataFrame) -> None:
    for number, row in enumerate(frame.iter_rows()):
        if number:
            OUT.print()
        for name, value in zip(frame.columns, row, strict=True):
            OUT.print(f"{_cell(name)}: {_cell(value)}", soft_wrap=True)


def _cell(value: object) -> str:
    """Return a value in one line. The console escapes other control characters."""
    return "" if value is None else str(value).replace("\n", "\\n")


def _as_text(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Convert the columns that do not fit a cell: lists and structs to JSON, bytes to base64."""
    schema = rows.collect_schema()
    return rows.select(_without_bytes(rows)).select(
        _as_json(pl.col(name)).alias(name) if dtype.is_nested() else _plain(pl.col(name), dtype)
        for name, dtype in schema.items()
    )


def _as_json(values: pl.Expr) -> pl.Expr:
    text = pl.struct(values.alias("v")).struct.json_encode().str.strip_prefix('{"v":').str.head(-1)
    return pl.when(values.is_not_null()).then(text)


def _plain(values: pl.Expr, dtype: PolarsDataType) -> pl.Expr:
    return values.dt.to_string("iso") if dtype == pl.Duration else values


def _without_bytes(rows: pl.LazyFrame) -> list[pl.Expr]:
    return [_base64(pl.col(name), dtype).alias(name) for name, dtype in rows.collect_schema().items()]


def _base64(values: pl.Expr, dtype: PolarsDataType) -> pl.Expr:
    """Encode bytes as base64 at any depth, and keys of maps as texts: neither JSON nor CSV has others."""
    if dtype == pl.Binary:
        return values.bin.encode("base64")
    if isinstance(dtype, pl.List):
        return values.list.eval(_base64(pl.element(), dtype.inner))
    if isinstance(dtype, pl.Array):
        return _base64(values.arr.to_list(), pl.List(dtype.inner))
    if isinstance(dtype, pl.Map):
        return values.map.entries().list.eval(_text_key(dtype)).list.to_map()
    if isinstance(dtype, pl.Struct) and dtype.fields:
        return values.struct.with_fields([_base64(pl.field(field.name), field.dtype) for field in dtype.fields])
    return values


def _text_key(entry: pl.Map) -> pl.Expr:
    key, value = (pl.element().struct.field(name) for name in ("key", "value"))
    return pl.struct(key=_base64(key, entry.key).cast(pl.String), value=_base64(value, entry.value))


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"

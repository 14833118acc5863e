"""Counts → rows of quality_report: figure, event_name, label, value."""

import polars as pl

from event_platform.lake.registry import QUALITY_REPORT

PARTITION = "created_date"

#: The columns in a file of the table, and with the partition.
ROW_SCHEMA = pl.Schema({name: dtype for name, dtype in QUALITY_REPORT.schema.items() if name != PARTITION})
DATED_SCHEMA = QUALITY_REPORT.schema


def figure_rows(figure: str, counts: pl.DataFrame) -> pl.DataFrame:
    """Return counts as rows of the table, with their date if they have one; missing columns are null."""
    rows = counts.with_columns(figure=pl.lit(figure))
    schema = DATED_SCHEMA if PARTITION in counts.columns else ROW_SCHEMA
    missing_columns = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in rows.columns]
    return rows.with_columns(missing_columns).select(pl.col(name).cast(dtype) for name, dtype in schema.items())


def add_up(counts: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Return the sum of the counts by columns, or of all."""
    return counts.group_by(columns).agg(pl.col("value").sum()) if columns else counts.select(pl.col("value").sum())


def two_digits(hour: str) -> pl.Expr:
    """Return an hour as a label."""
    return pl.col(hour).cast(pl.String).str.zfill(2)

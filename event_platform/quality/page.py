"""The figures of one day → an HTML page, and its first plot as SVG.

The same figures give the same bytes, at any time and on any machine. Names, fields and bodies come from the data: they
go through `shown`, and the templates escape everything.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from event_platform.events.event import DuplicateKind
from event_platform.quality.plots import HEIGHT, WIDTH, share_of_logarithm, sparkline, stacked
from event_platform.quality.text import shown

if TYPE_CHECKING:
    from jinja2 import Environment

HOURS = [f"{hour:02d}" for hour in range(24)]

#: Classes of lateness: time between creation and arrival. Without an hour in the object's path only the day is known.
LATENESS = [
    "before it was created",
    "in the same hour",
    "in the next hour",
    "on the same day",
    "2 to 5 hours later",
    "6 to 23 hours later",
    "1 to 6 days later",
    "7 days later, or more",
]

#: Figures of schema drift, and their descriptions.
DRIFT = {
    "unknown_field": "not in the schema",
    "rescued_field": "the value does not fit its column",
    "repeated_key": "a key was written twice",
}

#: Rules that a page lists.
RULES_LISTED = 20

#: Lines shown of a list.
_LONGEST = 20
_FEW = 6
_SERIES = 5
_OTHER = "other"
_UNREGISTERED = "(not in the catalog)"
_TEXT_LENGTH = 120
_BODY_LENGTH = 300


@dataclass(frozen=True)
class Page:
    """The rendered page and plots of a day."""

    html: bytes
    plot: bytes  # the events of each hour by the first part of their name, as SVG
    thumbnail: bytes  # the events of each hour, as SVG of no more than 700 bytes


@dataclass(frozen=True)
class _Row:
    """A line of a list with a bar."""

    name: str
    value: int
    bar: float  # percent of the longest


def totals(figures: pl.DataFrame) -> dict[str, int]:
    """Return the total of each figure by name, zero if it is missing."""
    sums = dict(figures.group_by("figure").agg(pl.col("value").sum()).iter_rows())
    names = ("events", "late", "duplicates", "corrupt", "unregistered", *DRIFT)
    return {name: sums.get(name, 0) for name in names}


def draw(day: date, figures: pl.DataFrame, samples: pl.DataFrame) -> Page:
    """Render the page of a day.

    `figures` has the columns figure, event_name, label and value; `samples` reason, source_object, source_offset and
    body, of some corrupt records.
    """
    model = _model(day, figures, samples)
    templates = _templates()
    return Page(
        html=templates.get_template("quality.html.jinja").render(model).encode(),
        plot=templates.get_template("hours.svg.jinja").render(model).encode(),
        thumbnail=templates.get_template("thumbnail.svg.jinja").render(model).encode(),
    )


def _model(day: date, figures: pl.DataFrame, samples: pl.DataFrame) -> dict[str, Any]:
    found = totals(figures)
    series = _by_hour(_of(figures, "events"))
    hours = [sum(values) for values in zip(*series.values(), strict=True)]
    conflicts = figures.filter(pl.col("label") == DuplicateKind.CONFLICT.value)
    arrivals = _of(figures, "arrivals")["label"]
    drift = figures.filter(pl.col("figure").is_in(list(DRIFT))).sort(
        "value", "event_name", "figure", "label", descending=[True, False, False, False], nulls_last=True
    )
    return {
        "day": day.isoformat(),
        "totals": found,
        "empty": not any(found.values()),
        "width": WIDTH,
        "height": HEIGHT,
        "series": list(series),
        "hours": stacked(HOURS, series),
        "all_hours": sparkline(hours),
        "peak": max(hours, default=0),
        "first_arrival": arrivals.min(),
        "last_arrival": arrivals.max(),
        "lateness": _in_order(_counts(figures, "lateness", "label"), LATENESS),
        "duplicates": _largest(_counts(figures, "duplicates", "label")),
        "conflicts": _largest(_counts(conflicts, "duplicates", "event_name"), _FEW),
        "corrupt": _largest(_counts(figures, "corrupt", "label")),
        "samples": [_sample(row) for row in samples.to_dicts()],
        "unregistered": _largest(_counts(figures, "unregistered", "event_name")),
        "drift": [_drift(row) for row in drift.head(_LONGEST).to_dicts()],
        "drift_left_out": max(drift.height - _LONGEST, 0),
        "types": _types(figures),
    }


def _of(figures: pl.DataFrame, figure: str) -> pl.DataFrame:
    return figures.filter(pl.col("figure") == figure)


def _counts(figures: pl.DataFrame, figure: str, column: str) -> list[tuple[str | None, int]]:
    """Return the values of a figure by one of its columns, the largest first."""
    counted = _of(figures, figure).group_by(column).agg(pl.col("value").sum())
    return list(counted.sort("value", column, descending=[True, False], nulls_last=True).iter_rows())


def _by_hour(events: pl.DataFrame) -> dict[str, list[int]]:
    """Return the events per hour by the first part of the name. Small groups are combined."""
    kinds = events.with_columns(pl.col("event_name").str.split(":").list.first().fill_null(_UNREGISTERED))
    ranked = (
        kinds.group_by("event_name").agg(pl.col("value").sum()).sort("value", "event_name", descending=[True, False])
    )
    large = ranked["event_name"].head(_SERIES).to_list()
    named = kinds.with_columns(
        pl.when(pl.col("event_name").is_in(large)).then("event_name").otherwise(pl.lit(_OTHER)).alias("event_name")
    )
    counts = {(name, hour): value for name, hour, value in _summed(named)}
    names = [*large, *([_OTHER] if ranked.height > len(large) else [])]
    return {name: [counts.get((name, hour), 0) for hour in HOURS] for name in names}


def _summed(events: pl.DataFrame) -> Iterable[tuple[Any, ...]]:
    return events.group_by("event_name", "label").agg(pl.col("value").sum()).iter_rows()


def _in_order(counts: Sequence[tuple[str | None, int]], order: Sequence[str]) -> list[_Row]:
    known = {name: value for name, value in counts if name is not None}
    return _rows([(name, known[name]) for name in order if name in known])


def _largest(counts: Sequence[tuple[str | None, int]], length: int = _LONGEST) -> list[_Row]:
    """Return the first lines, and a last one without a bar for the sum of all others."""
    left = counts[length:]
    others = [_Row(f"{len(left):,} more", sum(value for _, value in left), 0.0)] if left else []
    return [*_rows(counts[:length]), *others]


def _rows(counts: Sequence[tuple[str | None, int]]) -> list[_Row]:
    highest = max((value for _, value in counts), default=0)
    return [_Row(_named(name), value, share_of_logarithm(value, highest)) for name, value in counts]


def _named(name: str | None) -> str:
    return _UNREGISTERED if name is None else shown(name, _TEXT_LENGTH)


def _sample(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "reason": shown(row["reason"], _TEXT_LENGTH),
        "place": f"{shown(row['source_object'], _TEXT_LENGTH)} · record {row['source_offset']:,}",
        "body": shown(row["body"], _BODY_LENGTH),
    }


def _drift(row: dict[str, Any]) -> dict[str, Any]:
    field = "every other field" if row["label"] is None and row["figure"] != "repeated_key" else row["label"]
    return {
        "name": shown(row["event_name"], _TEXT_LENGTH),
        "field": shown(field or "", _TEXT_LENGTH),
        "what": DRIFT[row["figure"]],
        "value": row["value"],
    }


def _types(figures: pl.DataFrame) -> list[dict[str, Any]]:
    """Return a row for each event type of the day, the largest first."""
    hours: dict[str | None, list[int]] = {}
    for name, hour, value in _of(figures, "events").select("event_name", "label", "value").iter_rows():
        hours.setdefault(name, [0] * len(HOURS))[int(hour)] = value
    duplicates = dict(_counts(figures, "duplicates", "event_name"))
    drift = figures.filter(pl.col("figure").is_in(list(DRIFT))).group_by("event_name").agg(pl.col("value").sum())
    drifted = dict(drift.iter_rows())
    lines = [
        {
            "name": _named(name),
            "events": sum(values),
            "hours": sparkline(values),
            "duplicates": duplicates.get(name, 0),
            "drift": drifted.get(name, 0),
        }
        for name, values in hours.items()
    ]
    return sorted(lines, key=lambda line: (-line["events"], line["name"]))


@lru_cache(maxsize=1)
def _templates() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - slow, and for reports alone

    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

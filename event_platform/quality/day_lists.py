"""The figures of one day → the lists on its page: groups and types of events, drift, broken rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from event_platform.quality.plots import HOURS, sparkline
from event_platform.quality.rows import (
    LONGEST,
    TEXT_LENGTH,
    UNREGISTERED,
    Links,
    bar,
    by_name,
    counts,
    of_figure,
    percent,
    shown_name,
)
from event_platform.quality.text import shown

#: Groups of events with a plot of their own, beside one of all others.
_GROUPS = 15

_QUANTILES = (0.5, 0.95)


@dataclass(frozen=True)
class Group:
    """The events of each hour of which the first part of the name is the same."""

    name: str
    hours: list[int]
    share: str
    spark: str

    @property
    def events(self) -> int:
        """The events of the day."""
        return sum(self.hours)

    @property
    def peak(self) -> int:
        """The events of the fullest hour."""
        return max(self.hours)


def groups(figures: pl.DataFrame) -> list[Group]:
    """Return the largest groups, and one of all others."""
    first = pl.col("event_name").str.split(":").list.first().fill_null(UNREGISTERED)
    by_hour = _hours(of_figure(figures, "events").with_columns(event_name=first))
    ranked = sorted(by_hour.items(), key=lambda item: (-sum(item[1]), str(item[0])))
    # A single remaining group is listed under its own name.
    cut = len(ranked) if len(ranked) <= _GROUPS + 1 else _GROUPS
    chosen = [(shown_name(name), hours) for name, hours in ranked[:cut]]
    if ranked[cut:]:
        other_hours = [sum(values) for values in zip(*(hours for _, hours in ranked[cut:]), strict=True)]
        chosen.append((f"{len(ranked) - cut:,} others", other_hours))
    events = sum(sum(hours) for _, hours in chosen)
    return [Group(name, hours, percent(sum(hours), events), sparkline(hours)) for name, hours in chosen]


def _hours(events: pl.DataFrame) -> dict[str | None, list[int]]:
    """Return the events of each hour by event_name."""
    by_hour: dict[str | None, list[int]] = {}
    for name, hour, value in events.select("event_name", "label", "value").iter_rows():
        by_hour.setdefault(name, [0] * len(HOURS))[int(hour)] += value
    return by_hour


def quantiles(figures: pl.DataFrame) -> list[str]:
    """Return within how many hours 50 % and 95 % of the events arrived, in words; empty if unknown."""
    lag = of_figure(figures, "lag").select(pl.col("label").cast(pl.Int64), "value").sort("label")
    reached = lag.select("label", share=pl.col("value").cum_sum() / pl.col("value").sum())
    if reached.is_empty():
        return []
    hours = [int(reached.filter(pl.col("share") >= quantile)["label"][0]) for quantile in _QUANTILES]
    return [f"within {hour} h" if hour else "in the same hour" for hour in hours]


def broken_rules(figures: pl.DataFrame, samples: pl.DataFrame, links: Links) -> dict[str, Any]:
    """Return a line for each broken rule, the largest first, with its samples; and how many are left out."""
    broken = _sorted(of_figure(figures, "broken_rule"))
    events = by_name(figures, ["events"])
    highest = max(broken["value"], default=0)
    by_rule = samples.partition_by("event_name", "rule", as_dict=True)
    return {
        "rows": [
            {
                **_line(row, events, links),
                "bar": bar(row["value"], highest),
                "rule": shown(row["label"].partition(": ")[0], TEXT_LENGTH),
                "field": shown(row["label"].partition(": ")[2], TEXT_LENGTH),
                "samples": _rule_samples(by_rule.get((row["event_name"], row["label"]))),
            }
            for row in broken.head(LONGEST).to_dicts()
        ],
        "more": max(broken.height - LONGEST, 0),
    }


def _rule_samples(samples: pl.DataFrame | None) -> list[dict[str, Any]]:
    return [
        {
            "value": "missing" if row["value"] is None else shown(row["value"], TEXT_LENGTH),
            "is_missing": row["value"] is None,
            "uuid": shown(row["event_uuid"], TEXT_LENGTH),
        }
        for row in ([] if samples is None else samples.to_dicts())
    ]


def drift_table(figures: pl.DataFrame, kinds: Mapping[str, str], links: Links) -> dict[str, Any]:
    """Return a line for each field without a column, the largest first; and how many are left out."""
    drift = _sorted(figures.filter(pl.col("figure").is_in(list(kinds))))
    events = by_name(figures, ["events"])
    highest = max(drift["value"], default=0)
    return {
        "rows": [
            {
                **_line(row, events, links),
                "bar": bar(row["value"], highest),
                "field": _field(row),
                "why": kinds[row["figure"]],
            }
            for row in drift.head(LONGEST).to_dicts()
        ],
        "more": max(drift.height - LONGEST, 0),
    }


def _field(row: Mapping[str, Any]) -> str:
    if row["label"] is None:
        return "" if row["figure"] == "repeated_key" else "every other field"
    return shown(row["label"], TEXT_LENGTH)


def _sorted(figures: pl.DataFrame) -> pl.DataFrame:
    descending = [True, False, False, False]
    return figures.sort("value", "event_name", "figure", "label", descending=descending, nulls_last=True)


def _line(row: Mapping[str, Any], events: Mapping[Any, int], links: Links) -> dict[str, Any]:
    return {
        "name": shown_name(row["event_name"]),
        "link": links.of_type(row["event_name"]),
        "value": row["value"],
        "share": percent(row["value"], events.get(row["event_name"], 0)),
    }


def event_types(figures: pl.DataFrame, drift: Sequence[str], links: Links) -> list[dict[str, Any]]:
    """Return a line for each event type of the day, the largest first."""
    hours = _hours(of_figure(figures, "events"))
    events = sum(map(sum, hours.values()))
    duplicates, late = (dict(counts(figures, figure, "event_name")) for figure in ("duplicates", "late"))
    drifts, broken = by_name(figures, drift), by_name(figures, ["broken_rule"])
    lines = [
        {
            "name": shown_name(name),
            "link": links.of_type(name),
            "events": _counted(sum(values), events),
            "hours": sparkline(values),
            "late": _counted(late.get(name, 0), sum(values)),
            "duplicates": _counted(duplicates.get(name, 0), sum(values) + duplicates.get(name, 0)),
            "drift": _counted(drifts.get(name, 0), sum(values)),
            "broken": _counted(broken.get(name, 0), sum(values)),
        }
        for name, values in hours.items()
    ]
    return sorted(lines, key=lambda line: (-line["events"]["value"], line["name"]))


def _counted(value: int, whole: int) -> dict[str, Any]:
    return {"value": value, "share": percent(value, whole)}

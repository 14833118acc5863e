"""The file sizes of a lake, and how compaction changes those of a day that is loaded hour by hour."""

import json
import shutil
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bench.platform_steps import measure
from event_platform.environment import SAMPLE_CATALOG
from event_platform.lake.lake import Lake
from event_platform.pipeline.sizing import DEFAULT_SIZING, Sizing
from event_platform.sample.generate import Sample, generate
from event_platform.storage.storage import Storage


@dataclass(frozen=True)
class Files:
    """The files of a table, or of many."""

    count: int
    median: float  # bytes
    largest: int

    @classmethod
    def of(cls, sizes: Iterable[int]) -> "Files":
        """Count files by their sizes."""
        found = list(sizes)
        return cls(len(found), statistics.median(found) if found else 0, max(found, default=0))


def build_at_once(folder: Path, events: int, first: date, days: int) -> list[dict[str, Any]]:
    """Generate `folder`/landing, run every step into `folder`/lake, and return what each step took."""
    generate(Sample(folder / "landing", events, first, days, seed=1), _ignore)
    return _build(folder)


def build_by_the_hour(folder: Path, landing: Path) -> list[list[dict[str, Any]]]:
    """Build `folder`/lake from a landing zone hour by hour, as if an hour passed between two increments."""
    hours = sorted(path for path in landing.glob("*/*/*/*") if path.is_dir())
    costs = []
    sizing = Sizing(compaction_age=timedelta())  # an hour takes seconds here
    for hour in hours:
        shutil.copytree(hour, folder / "landing" / hour.relative_to(landing))
        costs.append(_build(folder, sizing))
    return costs


def _build(folder: Path, sizing: Sizing = DEFAULT_SIZING) -> list[dict[str, Any]]:
    costs = measure(str(folder / "landing"), str(SAMPLE_CATALOG), str(folder / "lake"), sizing)
    return [asdict(cost) for cost in costs]


def files_left(lake: Path, table: str) -> list[int]:
    """Return the sizes of the current files of a table."""
    return [file.size for file in Lake(Storage(str(lake))).table(table).snapshot().files()]


def files_that_came(lake: Path, table: str) -> list[int]:
    """Return the sizes of all files that added rows to a table: its files if there were no compaction."""
    log = sorted((lake / table / "_delta_log").glob("*.json"))
    return [add["size"] for commit in log for add in _added(commit.read_text(encoding="utf-8")) if add["dataChange"]]


def _added(commit: str) -> Iterator[dict[str, Any]]:
    yield from (action["add"] for line in commit.splitlines() if "add" in (action := json.loads(line)))


def sizes(at_once: Path, by_the_hour: Path, groups: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Compare the files of two lakes with the same events, for each group of tables."""
    return [
        {
            "tables": group,
            "at_once": asdict(Files.of(_all(at_once, tables))),
            "came": asdict(Files.of(size for table in tables for size in files_that_came(by_the_hour, table))),
            "left": asdict(Files.of(_all(by_the_hour, tables))),
        }
        for group, tables in groups.items()
    ]


def _all(lake: Path, tables: Iterable[str]) -> list[int]:
    return [size for table in tables for size in files_left(lake, table)]


def _ignore(_done: int, _total: int) -> None:
    """Ignore progress."""

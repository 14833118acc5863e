"""How the cost grows with events, objects, event types, partitions, and the window of deduplication.

python -m bench.scale --help
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bench.commands import FailedError, chosen, folder_option
from bench.machine import machine
from bench.scale_cases import CASES, Row, Scale, Workshop

_ERR = Console(stderr=True)
#: As wide as the table is, also in a file.
_OUT = Console(width=max(Console().width, 140))

_US_PER_MS = 1_000


def measure(shop: Workshop, cases: Sequence[str], scale: Scale) -> tuple[list[Row], dict[str, str]]:
    """Run cases; return their rows, and the error of each that failed. A failure does not stop other cases."""
    rows: list[Row] = []
    failed: dict[str, str] = {}
    for case in cases:
        _ERR.print(f"{case} …", highlight=False)
        try:
            for row in CASES[case](shop, scale):
                _ERR.print(f"  {row.size}: {row.cost['wall_seconds']:.1f} s", highlight=False)
                rows.append(row)
        except FailedError as error:
            failed[case] = str(error)
            _ERR.print(f"  failed: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
    return rows, failed


def shown(rows: Sequence[Row]) -> Table:
    """Return the rows as a table."""
    table = Table(
        "case",
        "size",
        caption="CPU and memory are those of all processes. Each: all CPU time, the start included, divided. One more: "
        "what is more than in the row above, divided by how many more there are; flat where nothing is quadratic.",
    )
    for name in ("events", "wall s", "CPU s", "CPU µs/event", "CPU each", "CPU one more", "peak MB", "requests"):
        table.add_column(name, justify="right")
    for before, row in pairwise([None, *rows]):
        if row is not None:
            if before is not None and before.case != row.case:
                table.add_section()
            table.add_row(row.case, row.size, *_figures(row, before))
    return table


def _figures(row: Row, before: Row | None) -> Iterator[str]:
    cpu, more = row.cost["cpu_seconds"], one_more(row, before)
    yield f"{row.events:,}" if row.events else "-"
    yield f"{row.cost['wall_seconds']:.1f}"
    yield f"{cpu:.1f}"
    yield f"{cpu / row.events * 1e6:.1f}" if row.events else "-"
    yield f"{_time(cpu / row.count)}/{row.unit}"
    yield "-" if more is None else f"{_time(more)}/{row.unit}"
    yield f"{row.cost['peak_bytes'] / 1e6:,.0f}"
    yield f"{row.cost['requests']:,}" if "requests" in row.cost else "-"


def one_more(row: Row, before: Row | None) -> float | None:
    """Return the CPU seconds of one more unit than in a smaller row of the same case before it; None without one."""
    if before is None or (before.case, before.unit) != (row.case, row.unit) or before.count >= row.count:
        return None
    seconds: float = row.cost["cpu_seconds"] - before.cost["cpu_seconds"]
    return seconds / (row.count - before.count)


def _time(seconds: float) -> str:
    us = seconds * 1e6
    return f"{us / _US_PER_MS:.2f} ms" if abs(us) >= _US_PER_MS else f"{us:.2f} µs"


def _as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        {**asdict(row), "cpu_seconds_of_one_more": one_more(row, before)}
        for before, row in pairwise([None, *rows])
        if row is not None
    ]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", help=f"Measure some cases alone, of {','.join(CASES)}.")
@click.option(
    "--factor",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Make every number so many times as large.",
)
@click.option(
    "--json",
    "target",
    type=click.Path(path_type=Path),
    default=Path("data/bench/scale.json"),
    show_default=True,
    help="File to keep the figures in.",
)
@folder_option
def main(only: str | None, factor: float, target: Path, folder: Path | None) -> None:
    """Measure how the cost grows, and print a table.

    Each measurement is a process of its own, run alone in a new lake: wall time to the end of all its processes, the
    CPU time of them all, and the highest sum of their memory (PSS). Most are the whole job, `event-platform run`, with
    Dagster and all checks. What comes out is compared with what was put in. Linux only.

    \b
    sizes       days of 100,000 to 24,000,000 events
    small       a thousand events; and Dagster alone, for as many assets and checks that do nothing
    objects     the same events in 1,000 to 10,000 objects
    types       as many events of 100 to 1,000 event types
    names       as many events of 10,000 to 100,000 names that the catalog lacks
    damaged     as many events, and 10,000 to 40,000 damaged pieces, with nothing between them
    partitions  as many events of 10 types on 10 to 400 days
    fields      200 events, each with an object of 500 to 4,000 fields, without Dagster
    keys        the same with 1,500 to 24,000 keys that are data, such as the identifiers of users
    window      duplicates of a day of 24,000,000 records, and of a tenth, after seven days with as many each
    increment   the last hour of a day of 24,000,000, a minute of it, and nothing, in a lake with the rest of the day
    bucket      commands on a lake of 50,000 events in a bucket, where each of their requests takes 30 ms

    \b
    All of it takes most of an hour and 15 GB of disk. Examples:
      make bench-scale
      python -m bench.scale --only objects,types,partitions
      python -m bench.scale --only window --factor 0.01
    """  # noqa: D301 - click takes the character for "as it stands"
    cases, scale = chosen(only, list(CASES)), Scale().times(factor)
    target.parent.mkdir(parents=True, exist_ok=True)
    found = machine()
    with tempfile.TemporaryDirectory(dir=folder or target.parent) as temporary:
        rows, failed = measure(Workshop(Path(temporary).absolute()), cases, scale)
    document = {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": found,
        "factor": factor,
        "scale": asdict(scale),
        "rows": _as_json(rows),
        "failed": failed,
    }
    target.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    _OUT.print(shown(rows))
    _ERR.print(f"kept in {target}")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()

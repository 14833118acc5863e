"""The cost of reading: how much of a lake each query reads, with polars and DuckDB, and the file sizes.

    python -m bench.reads --help

Two lakes are built. One has many days; the other has one large day that came in 24 increments, an hour each. Every
query is asked on the folder, for the time it takes with everything in the page cache, and over the S3 protocol, where
the server counts which objects are read, by how many requests, and how many bytes of them leave; there each answer
waits for as long as one of S3's does. All clients have to get as many rows as the first.
"""

import json
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bench.commands import folder_option
from bench.file_sizes import build_at_once, build_by_the_hour, sizes
from bench.machine import machine
from bench.object_server import ObjectServer, object_server, touched
from bench.read_clients import Ask, Place, clients
from bench.read_queries import Query, event_tables, in_a_day, over_days, some_event
from event_platform.lake.lake import Lake
from event_platform.storage.storage import Storage

_FIRST = date(2025, 6, 1)
_ERR = Console(stderr=True)
#: As wide as the tables are, also in a file.
_OUT = Console(width=max(Console().width, 150))


@dataclass(frozen=True)
class Reads:
    """Runs queries on lakes below one folder, which a server offers as buckets."""

    folder: Path
    server: ObjectServer
    asks: Mapping[str, Ask]
    repeat: int

    def all(self, name: str, queries: Sequence[Query]) -> Iterator[dict[str, Any]]:
        """Yield what each query takes with each client."""
        for query in queries:
            whole = self._whole(name, query)
            expected: int | None = None
            for client, ask in self.asks.items():
                figures = self._figures(name, query, ask)
                expected = figures["rows"] if expected is None else expected
                if figures["rows"] != expected:
                    raise click.ClickException(f"{query.label}: {client} has {figures['rows']} rows, not {expected}")
                yield {"lake": name, "query": query.key, "label": query.label, "client": client, **whole, **figures}

    def _figures(self, name: str, query: Query, ask: Ask) -> dict[str, Any]:
        here, there = Place(str(self.folder / name), {}), Place(f"s3://{name}", self.server.options())
        ask(here, query)  # what is imported and made once is not of the query
        local = [ask(here, query) for _ in range(self.repeat)]
        self.server.requests()
        remote, found = [], []
        for _ in range(self.repeat):
            remote.append(ask(there, query))
            found.append(touched(self.server.requests()))
        # The most of all: where clients read ahead, it may differ a little from one time to the next.
        most = max(found, key=lambda each: each.bytes)
        allowed = {f"{name}/{file}" for file in self._files(name, query, of_days=True)}
        return {
            "rows": local[0].rows,
            "folder_ms": statistics.median(answer.milliseconds for answer in local),
            "s3_ms": statistics.median(answer.milliseconds for answer in remote),
            "files": len(most.files),
            "files_elsewhere": len(most.files - allowed),
            "requests": most.requests,
            "bytes": most.bytes,
            "log_requests": most.log_requests,
            "log_bytes": most.log_bytes,
        }

    def _whole(self, name: str, query: Query) -> dict[str, Any]:
        """Return the files and bytes of the days of the query, and of its tables."""
        days, tables = (self._files(name, query, of_days=of_days) for of_days in (True, False))
        return {
            "files_of_days": len(days),
            "bytes_of_days": sum(days.values()),
            "files_of_tables": len(tables),
            "bytes_of_tables": sum(tables.values()),
        }

    def _files(self, name: str, query: Query, *, of_days: bool) -> dict[str, int]:
        lake = Lake(Storage(str(self.folder / name)))
        return {
            f"{table}/{file.path}": file.size
            for table in query.tables
            for file in lake.table(table).snapshot().files(query.dates if of_days else None)
        }


def run(folder: Path, events: int, days: int, day_events: int, repeat: int, latency_seconds: float) -> dict[str, Any]:
    """Build the lakes below a folder and return every figure."""
    for name in ("days", "day", "hours"):
        (folder / name).mkdir(parents=True)
    _ERR.print(f"building {days} days …")
    build_at_once(folder / "days", events, _FIRST, days)
    _ERR.print("building a day at once …")
    at_once = build_at_once(folder / "day", day_events, _FIRST, 1)
    _ERR.print("building the day by the hour …")
    by_the_hour = build_by_the_hour(folder / "hours", folder / "day" / "landing")
    lake = Lake(Storage(str(folder / "hours" / "lake")))
    types = event_tables(lake)
    groups = {
        "raw_events": ["raw_events"],
        "deduplicated_events": ["deduplicated_events"],
        **{name: [name] for name in types[:3]},
        f"all {len(types)} event tables": types,
    }
    buckets = folder / "buckets"
    buckets.mkdir()
    for name in ("days", "hours"):
        (folder / name / "lake").rename(buckets / name)
    with object_server(buckets, folder / "requests.log", latency_seconds) as server, clients() as asks:
        reads = Reads(buckets, server, asks, repeat)
        rows = [
            figures
            for name, queries in {
                "days": _queries(buckets / "days", [_FIRST + timedelta(number) for number in range(days)]),
                "hours": _queries(buckets / "hours", [_FIRST]),
            }.items()
            for figures in reads.all(name, queries)
        ]
    return {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "events": events,
        "days": days,
        "day_events": day_events,
        "latency_seconds": latency_seconds,
        "repeat": repeat,
        "queries": rows,
        "files": sizes(folder / "day" / "lake", buckets / "hours", groups),
        "cpu_seconds_at_once": _cpu_seconds([at_once]),
        "cpu_seconds_by_the_hour": _cpu_seconds(by_the_hour),
    }


def _queries(folder: Path, dates: Sequence[date]) -> list[Query]:
    lake = Lake(Storage(str(folder)))
    types = event_tables(lake)
    day = dates[len(dates) // 2]
    within = in_a_day(types[0], *some_event(lake, types[0], day), day)
    return [*over_days(types[0], types, dates), *within] if len(dates) > 1 else within


def _cpu_seconds(runs: Sequence[Sequence[Mapping[str, Any]]]) -> float:
    return float(sum(step["cpu_seconds"] for steps in runs for step in steps))


def shown(document: Mapping[str, Any]) -> Iterator[Table]:
    """Yield the tables of a document."""
    titles = {
        "days": f"{document['events']:,} events of {document['days']} days, built at once",
        "hours": f"{document['day_events']:,} events of a day, which came in 24 increments",
    }
    for lake, title in titles.items():
        yield _shown_queries([row for row in document["queries"] if row["lake"] == lake], title)
    yield _shown_files(document)


def _shown_queries(rows: Sequence[Mapping[str, Any]], title: str) -> Table:
    table = Table("query", "with", title=title)
    for name in ("rows", "files\nread", "of the\ndays'", "of the\ntable's", "MB\nread", "of the\ndays'"):
        table.add_column(name, justify="right")
    for name in ("requests", "for the log", "ms in a\nfolder", "ms as\nfrom S3"):
        table.add_column(name, justify="right")
    for before, row in zip([None, *rows], rows, strict=False):
        if before is not None and before["query"] != row["query"]:
            table.add_section()
        table.add_row(
            row["label"] if before is None or before["query"] != row["query"] else "",
            row["client"],
            f"{row['rows']:,}",
            f"{row['files']:,}" + (f" ({row['files_elsewhere']} elsewhere)" if row["files_elsewhere"] else ""),
            f"{row['files_of_days']:,}",
            f"{row['files_of_tables']:,}",
            f"{row['bytes'] / 1e6:,.2f}",
            f"{row['bytes_of_days'] / 1e6:,.2f}",
            f"{row['requests']:,}",
            f"{row['log_requests']:,}",
            f"{row['folder_ms']:,.0f}",
            f"{row['s3_ms']:,.0f}",
        )
    return table


def _shown_files(document: Mapping[str, Any]) -> Table:
    costs = (document[f"cpu_seconds_{way}"] / document["day_events"] * 1e6 for way in ("at_once", "by_the_hour"))
    title = (
        f"Files of a day of {document['day_events']:,} events; CPU µs an event: {{:.1f}} at once, {{:.1f}} by the hour"
    )
    table = Table("table", title=title.format(*costs))
    for way in ("at once", "24 increments,\nas they came", "24 increments,\nput together"):
        table.add_column(f"{way}:\nfiles", justify="right")
        for name in ("median MB", "largest MB"):
            table.add_column(name, justify="right")
    for row in document["files"]:
        cells: list[str] = []
        for way in ("at_once", "came", "left"):
            files = row[way]
            cells += [f"{files['count']:,}", f"{files['median'] / 1e6:,.2f}", f"{files['largest'] / 1e6:,.2f}"]
        table.add_row(row["tables"], *cells)
    return table


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--events", default=3_000_000, show_default=True, help="Events of the lake with many days, in 100 types.")
@click.option("--days", default=60, show_default=True, help="Its days.")
@click.option("--day-events", default=2_000_000, show_default=True, help="Events of the lake with one large day.")
@click.option("--repeat", default=3, show_default=True, help="Ask everything so often; medians of the times count.")
@click.option("--latency-ms", default=20.0, show_default=True, help="What each answer over the S3 protocol waits for.")
@click.option(
    "--json",
    "target",
    type=click.Path(path_type=Path),
    default=Path("data/bench/reads.json"),
    show_default=True,
    help="File to keep the figures in.",
)
@folder_option
def main(
    events: int, days: int, day_events: int, repeat: int, latency_ms: float, target: Path, folder: Path | None
) -> None:
    """Measure what queries touch of a lake, and how large its files are, and print tables."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder or target.parent) as temporary:
        document = run(Path(temporary).absolute(), events, days, day_events, repeat, latency_ms / 1_000)
    target.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for table in shown(document):
        _OUT.print(table)
    _ERR.print(f"kept in {target}")


if __name__ == "__main__":
    main()

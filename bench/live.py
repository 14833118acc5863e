"""The platform live: objects land each minute beside a running `dagster dev`, and their rows come into the tables.

python -m bench.live --help
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bench.live_places import Place, bucket_place
from bench.live_processes import Usage, adopt_orphans, ended_seconds, usage
from bench.live_stream import RowCounter, StreamedObject, percentile, stream, streamed_object
from bench.machine import machine
from event_platform.environment import SAMPLE_CATALOG
from event_platform.events.catalog import load_catalog

_ERR = Console(stderr=True)
_OUT = Console(width=max(Console().width, 120))
_MINUTE = 60
_ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
_SECONDS_BETWEEN_LOOKS = 3


@dataclass(frozen=True)
class Setting:
    """What is measured."""

    rate: int  # events a minute, in one object
    minutes: int
    day: int  # events that are in today's tables beforehand
    idle_minutes: float
    latency_ms: float | None = None  # of each request to S3; None: in a folder


@dataclass
class Figures:
    """What was measured."""

    latencies: list[float]
    backlog: int  # objects that waited when the last minute was over
    missing: int  # objects whose rows never came
    seconds: float
    cpu_seconds: Mapping[str, float]  # by kind of process
    peak_bytes: int
    commits: int  # of the event tables and unregistered_events
    files: int  # of all tables, in the end
    runs: list[float] = field(default_factory=list)  # seconds of each
    failed_runs: int = 0
    requests: Mapping[str, int] = field(default_factory=dict)  # to S3 meanwhile, by kind
    idle_seconds: float = 0
    idle_cpu_seconds: Mapping[str, float] = field(default_factory=dict)
    idle_bytes: Mapping[str, int] = field(default_factory=dict)
    idle_requests: Mapping[str, int] = field(default_factory=dict)


def measure(place: Place, setting: Setting) -> Figures:
    """Measure a stream, then the same processes with nothing landing."""
    counter = RowCounter(place.open_lake(), load_catalog(SAMPLE_CATALOG))
    adopt_orphans()
    before = ended_seconds()
    with place.dagster_dev():
        _wait_until_idle(place)
        place.requests()
        began, peak, pause = usage(before), _Peak(before), place.seconds_between_looks
        latencies, backlog, missing = stream(_objects(setting), setting.minutes, place.put, counter, peak.look, pause)
        ended = usage(before)
        _wait_until_idle(place)
        runs = place.runs()
        figures = Figures(
            latencies,
            backlog,
            missing,
            ended.moment - began.moment,
            ended.since(began),
            peak.bytes,
            counter.commits,
            place.files(),
            [seconds for _, seconds in runs],
            sum(status == "FAILURE" for status, _ in runs),
            place.requests(),
        )
        if setting.idle_minutes:
            _measure_idle(figures, place, setting.idle_minutes, before)
        return figures


def _measure_idle(figures: Figures, place: Place, minutes: float, before: float) -> None:
    began = usage(before)
    time.sleep(minutes * _MINUTE)
    ended = usage(before)
    figures.idle_seconds, figures.idle_cpu_seconds = ended.moment - began.moment, ended.since(began)
    figures.idle_bytes, figures.idle_requests = ended.memory_bytes, place.requests()


def _objects(setting: Setting) -> Iterator[StreamedObject]:
    for number in range(setting.minutes):
        yield streamed_object(setting.rate, number, datetime.now(UTC))


class _Peak:
    """The most memory that was seen, at a look every few seconds: a look takes CPU itself."""

    def __init__(self, before: float) -> None:
        self.bytes, self._before, self._last = 0, before, 0.0

    def look(self) -> None:
        if time.monotonic() - self._last > _SECONDS_BETWEEN_LOOKS:
            seen: Usage = usage(self._before)
            self.bytes, self._last = max(self.bytes, seen.memory), seen.moment


def _wait_until_idle(place: Place, seconds: float = 30) -> None:
    """Wait until no run has been active for some seconds."""
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < seconds:
        time.sleep(2)
        if not (place.home / "history" / "runs.db").exists() or any(status not in _ENDED for status, _ in place.runs()):
            quiet_since = time.monotonic()


def shown(setting: Setting, found: Figures) -> list[Table]:
    """Return the figures as tables."""
    return [_stream_table(setting, found), _processes_table(found)]


def _stream_table(setting: Setting, found: Figures) -> Table:
    where = "in a folder" if setting.latency_ms is None else f"in S3 with {setting.latency_ms:g} ms for each request"
    title = f"{setting.rate:,} events a minute for {setting.minutes} minutes, into a day of {setting.day:,}, {where}"
    table = Table("", "", title=title)
    p50, p95, most = (percentile(found.latencies, share) for share in (0.5, 0.95, 1))
    table.add_row("from object to typed row: p50, p95, most", f"{p50:.1f}, {p95:.1f}, {most:.1f} s")
    table.add_row("waiting when the last minute was over, never came", f"{found.backlog}, {found.missing}")
    runs = f"{len(found.runs)} ({found.failed_runs} failed), {sum(found.runs) / max(1, len(found.runs)):.1f} s each"
    table.add_row("runs", runs)
    table.add_row("commits of event tables; files of all tables", f"{found.commits:,}; {found.files:,}")
    if found.requests:
        by_kind = ", ".join(f"{count:,} {kind}" for kind, count in sorted(found.requests.items()))
        table.add_row("requests to S3", by_kind)
        each = sum(found.requests.values()) / max(1, len(found.latencies))
        idle = sum(found.idle_requests.values()) / max(1, found.idle_seconds / _MINUTE)
        table.add_row("requests an object; idle: a minute", f"{each:,.0f}; {idle:,.0f}")
    table.add_row("peak memory of all processes", f"{found.peak_bytes / 1e6:,.0f} MB")
    return table


def _processes_table(found: Figures) -> Table:
    table = Table("", title="CPU and memory (PSS) of all processes")
    for name in ("CPU s", "CPU s an object", "idle: % of a core", "idle: MB"):
        table.add_column(name, justify="right")
    objects, idle_seconds = max(1, len(found.latencies)), found.idle_seconds or 1
    for kind in [*found.cpu_seconds, "all"]:
        cpu, idle, memory = (
            sum(by_kind.values()) if kind == "all" else by_kind.get(kind, 0)
            for by_kind in (found.cpu_seconds, found.idle_cpu_seconds, found.idle_bytes)
        )
        shares = f"{cpu:.1f}", f"{cpu / objects:.2f}", f"{idle / idle_seconds:.2%}", f"{memory / 1e6:,.0f}"
        table.add_row(kind, *shares)
    return table


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rate", type=click.IntRange(min=1), default=16_700, show_default=True, help="Events a minute.")
@click.option("--minutes", type=click.IntRange(min=1), default=12, show_default=True, help="How long the stream lasts.")
@click.option("--day", type=click.IntRange(min=0), default=12_000_000, show_default=True, help="Events beforehand.")
@click.option("--idle", type=click.FloatRange(min=0), default=5, show_default=True, help="Minutes of nothing after it.")
@click.option("--s3", "in_s3", is_flag=True, help="Landing and lake in a bucket of moto's, on this machine.")
@click.option("--latency-ms", type=click.FloatRange(min=0), default=30, show_default=True, help="Of a request to S3.")
@click.option("--prepared", type=click.Path(path_type=Path), help="Keep the day in this folder, or take it from there.")
@click.option(
    "--json",
    "target",
    type=click.Path(path_type=Path),
    default=Path("data/bench/live.json"),
    show_default=True,
    help="File to keep the figures in.",
)
def main(
    rate: int,
    minutes: int,
    day: int,
    idle: float,
    in_s3: bool,  # noqa: FBT001 - by name
    latency_ms: float,
    prepared: Path | None,
    target: Path,
) -> None:
    """Measure a live platform: how long a row takes into its event table, and what it costs.

    A lake with a day of events is prepared, and `dagster dev` started over it. Each minute an object lands, named as
    Firehose names it. The tables' logs say when its rows are there. CPU and memory are those of all processes of
    `dagster dev` and its runs. Landing and lake are folders, or with --s3 in a bucket: each request of the platform
    waits, and is counted. The server takes CPU of the same cores, which is not in the figures. Linux only.
    """
    if in_s3 and prepared:
        raise click.UsageError("--prepared is for a folder: a bucket ends with its server")
    setting = Setting(rate, minutes, day, idle, latency_ms if in_s3 else None)
    target.parent.mkdir(parents=True, exist_ok=True)
    measured = machine()
    with (
        tempfile.TemporaryDirectory(dir=target.parent) as temporary,
        _prepared(Path(temporary).absolute() / "measured", setting, prepared) as place,
    ):
        _ERR.print(f"{day:,} events are loaded; measuring for {minutes + idle:.0f} minutes …", highlight=False)
        figures = measure(place, setting)
    document: dict[str, Any] = {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": measured,
        "setting": asdict(setting),
        "figures": asdict(figures),
    }
    target.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for table in shown(setting, figures):
        _OUT.print(table)
    _ERR.print(f"kept in {target}")
    raise SystemExit(1 if figures.missing or figures.failed_runs else 0)


@contextmanager
def _prepared(folder: Path, setting: Setting, kept: Path | None) -> Iterator[Place]:
    """Yield a place with the day in it; files of a kept one are linked, since what is written is never changed."""
    if setting.latency_ms is not None:
        with bucket_place(folder, setting.latency_ms / 1_000) as bucket:
            bucket.prepare(setting.day)
            yield bucket
        return
    if kept is None or not kept.exists():
        Place((kept or folder).absolute()).prepare(setting.day)
    if kept is not None:
        shutil.copytree(kept, folder, copy_function=os.link)
    yield Place(folder)


if __name__ == "__main__":
    main()

"""The platform live: objects land each minute beside a running `dagster dev`, and their rows come into the tables.

python -m bench.live --help
"""

import json
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bench.commands import Commands, module
from bench.live_processes import Usage, adopt_orphans, ended_seconds, started, usage
from bench.live_stream import RowCounter, StreamedObject, percentile, stream, streamed_object
from bench.local_servers import free_port
from bench.machine import machine
from bench.rows import variables
from event_platform.environment import SAMPLE_CATALOG
from event_platform.events.catalog import load_catalog
from event_platform.pipeline.opening import open_lake

_ROOT = Path(__file__).parents[1]
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
    idle_seconds: float = 0
    idle_cpu_seconds: Mapping[str, float] = field(default_factory=dict)
    idle_bytes: Mapping[str, int] = field(default_factory=dict)


class Place:
    """A folder with landing, the lake and DAGSTER_HOME of one measurement."""

    def __init__(self, folder: Path) -> None:
        """Take a folder, which need not be there."""
        self.folder, self.landing, self.lake, self.home = (folder, *(folder / n for n in ("landing", "lake", "home")))

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment of every command."""
        return variables(self.landing, SAMPLE_CATALOG, self.lake)

    def prepare(self, events: int) -> None:
        """Load a day of so many events that arrives today."""
        self.landing.mkdir(parents=True)
        commands, today = Commands(self.folder, self.variables), datetime.now(UTC).date()
        if events:
            make = module("event_platform", "generate", "--events", f"{events}", "--days", "1", "--from", f"{today}")
            commands.run("generate", make)
        commands.run("run", module("event_platform", "run"))

    def put(self, name: str, data: bytes) -> None:
        """Land an object: it is there whole or not at all, as on S3."""
        path, part = self.landing / name, self.folder / "part"
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.rename(path)

    @contextmanager
    def dagster_dev(self) -> Iterator[None]:
        """Run `dagster dev` with records of its own, as a user starts it."""
        self.home.mkdir()
        shutil.copy(_ROOT / ".dagster" / "dagster.yaml", self.home)
        command = [f"{Path(sys.executable).with_name('dagster')}", "dev", "-w", "workspace.yaml"]
        command += ["-h", "127.0.0.1", "-p", f"{free_port()}"]
        settings = {**self.variables, "DAGSTER_HOME": f"{self.home}"}
        with started(command, settings, _ROOT, self.folder / "dagster-dev.log"):
            yield

    def runs(self) -> list[tuple[str, float]]:
        """Return the status of each run in Dagster's records, and the seconds that it took; 0 where it has not ended.

        By SQL: to open the records as Dagster does takes longer than to read them.
        """
        records = self.home / "history" / "runs.db"
        with closing(sqlite3.connect(f"{records.as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute("select status, coalesce(end_time - start_time, 0) from runs").fetchall()


def measure(place: Place, setting: Setting) -> Figures:
    """Measure a stream, then the same processes with nothing landing."""
    counter = RowCounter(open_lake(f"{place.lake}"), load_catalog(SAMPLE_CATALOG))
    adopt_orphans()
    before = ended_seconds()
    with place.dagster_dev():
        _wait_until_idle(place)
        began, peak = usage(before), _Peak(before)
        latencies, backlog, missing = stream(_objects(setting), setting.minutes, place.put, counter, peak.look)
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
            sum(1 for _ in place.lake.rglob("*.parquet")),
            [seconds for _, seconds in runs],
            sum(status == "FAILURE" for status, _ in runs),
        )
        if setting.idle_minutes:
            _measure_idle(figures, setting.idle_minutes, before)
        return figures


def _measure_idle(figures: Figures, minutes: float, before: float) -> None:
    began = usage(before)
    time.sleep(minutes * _MINUTE)
    ended = usage(before)
    figures.idle_seconds, figures.idle_cpu_seconds = ended.moment - began.moment, ended.since(began)
    figures.idle_bytes = ended.memory_bytes


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
    title = f"{setting.rate:,} events a minute for {setting.minutes} minutes, into a day of {setting.day:,}"
    table = Table("", "", title=title)
    p50, p95, most = (percentile(found.latencies, share) for share in (0.5, 0.95, 1))
    table.add_row("from object to typed row: p50, p95, most", f"{p50:.1f}, {p95:.1f}, {most:.1f} s")
    table.add_row("waiting when the last minute was over, never came", f"{found.backlog}, {found.missing}")
    runs = f"{len(found.runs)} ({found.failed_runs} failed), {sum(found.runs) / max(1, len(found.runs)):.1f} s each"
    table.add_row("runs", runs)
    table.add_row("commits of event tables; files of all tables", f"{found.commits:,}; {found.files:,}")
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
@click.option("--prepared", type=click.Path(path_type=Path), help="Keep the day beforehand here, or take it from here.")
@click.option(
    "--json",
    "target",
    type=click.Path(path_type=Path),
    default=Path("data/bench/live.json"),
    show_default=True,
    help="File to keep the figures in.",
)
def main(rate: int, minutes: int, day: int, idle: float, prepared: Path | None, target: Path) -> None:
    """Measure a live platform in a folder: how long a row takes into its event table, and what it costs.

    A lake with a day of events is prepared, and `dagster dev` started over it. Each minute an object lands, named as
    Firehose names it. The tables' logs say when its rows are there. CPU and memory are those of all processes of
    `dagster dev` and its runs. Linux only.
    """
    setting = Setting(rate, minutes, day, idle)
    target.parent.mkdir(parents=True, exist_ok=True)
    found = machine()
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        place = _prepare(Path(temporary).absolute() / "measured", prepared, day)
        _ERR.print(f"{day:,} events are loaded; measuring for {minutes + idle:.0f} minutes …", highlight=False)
        figures = measure(place, setting)
    document: dict[str, Any] = {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": found,
        "setting": asdict(setting),
        "figures": asdict(figures),
    }
    target.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for table in shown(setting, figures):
        _OUT.print(table)
    _ERR.print(f"kept in {target}")
    raise SystemExit(1 if figures.missing or figures.failed_runs else 0)


def _prepare(folder: Path, prepared: Path | None, day: int) -> Place:
    """Return a place with the day in it; files of a kept one are linked, since what is written is never changed."""
    if prepared is None:
        place = Place(folder)
        place.prepare(day)
        return place
    if not prepared.exists():
        Place(prepared.absolute()).prepare(day)
    shutil.copytree(prepared, folder, copy_function=os.link)
    return Place(folder)


if __name__ == "__main__":
    main()

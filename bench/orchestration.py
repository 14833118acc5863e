"""The cost of orchestration: the same days through Dagster, with each kind of storage for its records.

    python -m bench.orchestration --help

Each row is a process and a lake of its own. Data work is the time that the run's thread spends in steps, and in what
checks read; bookkeeping is all the rest. The CPU is that of the run's process, without the pool and the server.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import click
import yaml
from rich.console import Console
from rich.table import Table

from bench.commands import folder_option
from bench.local_servers import Postgres, postgres_server, programs
from event_platform.environment import SAMPLE_CATALOG
from event_platform.sample.generate import Sample, generate

_ROOT = Path(__file__).parents[1]
_PROFILES = {"sqlite": _ROOT / ".dagster/dagster.yaml", "postgres": _ROOT / "deploy/postgres/dagster.yaml"}
_FIRST = date(2025, 6, 1)

#: Dagster's own event logs in the place of those that the profiles name.
_DAGSTERS_OWN: dict[str, dict[str, Any]] = {
    "sqlite-dagster": {"module": "dagster._core.storage.event_log", "class": "SqliteEventLogStorage"},
    "sqlite-consolidated": {"module": "dagster._core.storage.event_log", "class": "ConsolidatedSqliteEventLogStorage"},
    "postgres-dagster": {"module": "dagster_postgres", "class": "PostgresEventLogStorage"},
}
_STORAGES = ("ephemeral", *_PROFILES, *_DAGSTERS_OWN)


@dataclass(frozen=True)
class Setting:
    """The settings of all rows."""

    folder: Path
    days: int

    def variables(self, storage: str, server: Postgres | None) -> dict[str, str]:
        """Return the environment of a measurement, with an empty lake and DAGSTER_HOME."""
        for name in ("lake", "dagster"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / "dagster").mkdir()
        variables = {name: value for name, value in os.environ.items() if not name.startswith("DAGSTER_")} | {
            "EVENT_PLATFORM_ENV": "local",
            "EVENT_PLATFORM_LANDING": str(self.folder / "landing"),
            "EVENT_PLATFORM_LAKE": str(self.folder / "lake"),
            "EVENT_PLATFORM_CATALOG": str(SAMPLE_CATALOG),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
        }
        if storage == "ephemeral":
            return variables
        (self.folder / "dagster/dagster.yaml").write_text(yaml.safe_dump(_profile(storage)), encoding="utf-8")
        return variables | {"DAGSTER_HOME": str(self.folder / "dagster")} | (server.variables if server else {})


def _profile(storage: str) -> dict[str, Any]:
    kind = storage.partition("-")[0]
    settings: dict[str, Any] = yaml.safe_load(_PROFILES[kind].read_text(encoding="utf-8"))
    settings["event_log_storage"] |= _DAGSTERS_OWN.get(storage, {})
    return settings


def _measured(setting: Setting, storage: str, days_per_run: int) -> dict[str, Any]:
    with _server(storage) as server:
        command = [sys.executable, "-m", "bench.measured_run", f"{_FIRST}", f"{setting.days}", f"{days_per_run}"]
        done = subprocess.run(  # noqa: S603 - this very module's other half
            command, env=setting.variables(storage, server), cwd=_ROOT, check=True, stdout=subprocess.PIPE, text=True
        )
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        if server:
            found["stored_bytes"] += server.stored_bytes()
    return {"storage": storage, "days_per_run": days_per_run, **found}


@contextmanager
def _server(storage: str) -> Iterator[Postgres | None]:
    if not storage.startswith("postgres"):
        yield None
        return
    with postgres_server() as server:
        yield server


def _shown(rows: list[dict[str, Any]]) -> list[Table]:
    costs = Table("storage", "days/run", "events", "wall s", "work s", "bookkeeping s", "CPU s", "MB")
    for row in rows:
        seconds = (row[f"{name}_seconds"] for name in ("wall", "data_work", "bookkeeping", "driver_cpu"))
        size = f"{row['stored_bytes'] / 1e6:.0f}"
        costs.add_row(
            row["storage"], f"{row['days_per_run']}", f"{row['events']:,}", *(f"{each:.0f}" for each in seconds), size
        )
    kinds = Table("event", "of the first row")
    for kind, count in rows[0]["events_by_type"].items():
        kinds.add_row(kind, f"{count:,}")
    return [costs, kinds]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--events", default=2_000_000, show_default=True, help="Events of the sample, in 100 types.")
@click.option("--days", default=30, show_default=True, help="Days over which they arrive.")
@click.option("--days-per-run", default=7, show_default=True, help="Also in runs of so many days, in SQLite.")
@click.option(
    "--storage", "storages", multiple=True, type=click.Choice(_STORAGES), help="Which; without it, the profiles."
)
@click.option("--repeat", default=1, show_default=True, help="Take every measurement so often, in turn.")
@folder_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(
    events: int,
    days: int,
    days_per_run: int,
    storages: tuple[str, ...],
    repeat: int,
    folder: Path | None,
    as_json: bool,  # noqa: FBT001 - as click passes it
) -> None:
    """Measure the cost of orchestration, and print seconds and the number of Dagster's events by type."""
    chosen = storages or tuple(each for each in ("ephemeral", *_PROFILES) if each != "postgres" or programs())
    work = [(storage, days) for storage in chosen]
    if "sqlite" in chosen:
        work.append(("sqlite", days_per_run))
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        setting = Setting(Path(temporary), days)
        generate(Sample(setting.folder / "landing", events, _FIRST, days, seed=1), lambda _done, _total: None)
        rows = [_measured(setting, *each) for _ in range(repeat) for each in work]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for table in _shown(rows):
        Console().print(table)


if __name__ == "__main__":
    main()

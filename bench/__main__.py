"""The cost of the whole job: this platform, its alternatives and the floor, on the same events in one session.

python -m bench --help
"""

import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.commands import Commands, FailedError, chosen, folder_option, module
from bench.comparison import compare
from bench.framings import write_framed
from bench.machine import machine
from bench.rows import PLATFORM, ROWS, MissingError, Row, variables
from bench.shown import tables
from event_platform.environment import SAMPLE_CATALOG
from event_platform.events.catalog import load_catalog

_ERR = Console(stderr=True)
#: As wide as the tables are, also in a file.
_OUT = Console(width=max(Console().width, 140))

#: Marks of a successful job and sums of files' bytes, which Spark leaves beside its files.
_NO_DATA = (".crc", "_SUCCESS")


class Bench:
    """Measures rows on one landing zone."""

    def __init__(self, folder: Path) -> None:
        """Work in this folder."""
        self.folder = folder
        self.landing = folder / "landing"
        self.lake = folder / PLATFORM.key
        self._commands = Commands(folder, variables(self.landing, SAMPLE_CATALOG, self.lake))

    def generate(self, events: int, days: int) -> None:
        """Generate the landing zone, always with the same events."""
        options = ["--events", f"{events}", "--days", f"{days}", "--from", "2025-06-01"]
        self._commands.run("generate", module("event_platform", "generate", *options))

    def measure(self, row: Row) -> dict[str, Any]:
        """Run the command of a row alone and return its cost. Its output stays. Raises FailedError."""
        output = self.folder / row.key
        shutil.rmtree(output, ignore_errors=True)
        landing, catalog = self._input(row)
        cost = self._commands.measured(row.key, row.command(landing, catalog, output))
        files = [path for path in output.rglob("*") if path.is_file() and not path.name.endswith(_NO_DATA)]
        return {**cost, "files": len(files), "written_bytes": sum(path.stat().st_size for path in files)}

    def _input(self, row: Row) -> tuple[Path, Path]:
        """Return landing and catalog of a row, which is written once where it has another framing."""
        if not row.framing:
            return self.landing, SAMPLE_CATALOG
        folder = self.folder / f"framed-{row.framing}"
        if folder.exists():
            return folder / "landing", folder / "catalog"
        return write_framed(row.framing, self.landing, SAMPLE_CATALOG, folder)

    def steps(self) -> list[dict[str, Any]]:
        """Run the platform's steps without Dagster and return what each cost."""
        lake = self.folder / "steps"
        shutil.rmtree(lake, ignore_errors=True)
        os.sync()
        command = module("bench.platform_steps", f"{self.landing}", f"{SAMPLE_CATALOG}", f"{lake}")
        found: list[dict[str, Any]] = json.loads(self._commands.run("steps", command))
        shutil.rmtree(lake)
        return found

    def differences(self, row: Row) -> dict[str, Any]:
        """Compare what a row wrote with the platform's tables."""
        theirs = self.folder / row.key / "events"
        return compare(self.lake, theirs, row.form, load_catalog(SAMPLE_CATALOG).event_types).as_json()


def run(bench: Bench, rows: Sequence[Row], repeat: int) -> list[dict[str, Any]]:
    """Measure each row `repeat` times, in turn; return the medians and the differences to the platform's tables."""
    found: dict[str, dict[str, Any]] = {}
    runs: dict[str, list[dict[str, Any]]] = {}
    for number in range(repeat):
        for row in rows:
            entry = found.setdefault(row.key, {"key": row.key, "label": row.label})
            if "missing" in entry:
                continue
            try:
                entry["versions"] = row.versions()
                _ERR.print(f"{row.label} …", highlight=False)
                runs.setdefault(row.key, []).append(bench.measure(row))
            except (MissingError, FailedError) as error:
                entry["missing"] = str(error)
                continue
            if number == 0 and row is not PLATFORM and PLATFORM.key in runs:
                entry["differences"] = bench.differences(row)
            if row is not PLATFORM:
                shutil.rmtree(bench.folder / row.key)
    return [{**entry, **_medians(runs.get(key, []))} for key, entry in found.items()]


def _medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: statistics.median(each[name] for each in runs) for name in (runs[0] if runs else ())}


def with_rest(steps: list[dict[str, Any]], whole: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps and the rest of the whole job: its start, Dagster, checks and totals."""
    rest = {name: whole[name] - sum(step[name] for step in steps) for name in ("wall_seconds", "cpu_seconds")}
    return [*steps, {"step": "start, Dagster, checks and the rest", **rest}]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--events", default=1_000_000, show_default=True, help="Distinct sound events of the sample, in 100 types."
)
@click.option("--days", default=1, show_default=True, help="Days over which they arrive.")
@click.option("--only", help=f"Measure some rows alone, of {','.join(row.key for row in ROWS)}.")
@click.option("--repeat", default=1, show_default=True, help="Take every measurement so often, in turn; medians count.")
@click.option(
    "--json",
    "target",
    type=click.Path(path_type=Path),
    default=Path("data/bench/latest.json"),
    show_default=True,
    help="File to keep the figures in.",
)
@folder_option
def main(events: int, days: int, only: str | None, repeat: int, target: Path, folder: Path | None) -> None:
    """Measure the cost of the job with this platform and its alternatives, and print a table.

    Each row is a command, run alone on the same landing zone: wall time to the end of all its processes, the CPU time
    of them all, and the highest sum of their memory (PSS). What peers wrote is compared with the platform's tables,
    row for row; differences are counted. What each one does is in the docstring of its script, in bench/peers
    and bench/floor.py. Linux only.

    \b
    Examples:
      make bench
      make bench EVENTS=5000000
      python -m bench --events 200000 --only platform,duckdb --repeat 3
    """  # noqa: D301 - click takes the character for "as it stands"
    keys = chosen(only, [row.key for row in ROWS])
    target.parent.mkdir(parents=True, exist_ok=True)
    found = machine()
    with tempfile.TemporaryDirectory(dir=folder or target.parent) as temporary:
        bench = Bench(Path(temporary).absolute())
        _ERR.print("generating …")
        bench.generate(events, days)
        rows = run(bench, [row for row in ROWS if row.key in keys], repeat)
        ours = next((row for row in rows if row["key"] == PLATFORM.key and "missing" not in row), None)
        document = {
            "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": found,
            "events": events,
            "days": days,
            "repeat": repeat,
            "landing_bytes": sum(path.stat().st_size for path in bench.landing.rglob("*.gz")),
            "rows": rows,
            "steps": with_rest(bench.steps(), ours) if ours else [],
        }
    target.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for table in tables(document):
        _OUT.print(table)
    _ERR.print(f"kept in {target}")


if __name__ == "__main__":
    main()

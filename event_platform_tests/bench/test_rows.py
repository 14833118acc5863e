"""What `make bench` prints is what was there: cost of whole process trees, differences in tables, ratios."""

import json
import subprocess
import sys
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console

from bench.__main__ import Bench, run, with_rest
from bench.comparison import compare
from bench.rows import ROWS, MissingError, Row
from bench.shown import tables
from event_platform.environment import SAMPLE_CATALOG
from event_platform.events.catalog import load_catalog

_LOAD = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor

def burn(seconds):
    held = bytearray(b"x" * 50_000_000)
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    while not os.path.exists("seen"):
        time.sleep(0.05)
    return len(held)

if __name__ == "__main__":
    with ProcessPoolExecutor(2, multiprocessing.get_context("forkserver")) as pool:
        list(pool.map(burn, [0.5, 0.5]))
"""


#: Measures, and tells the workers when it has seen both of them, however seldom it looks.
_MEASURE = """
import sys
from pathlib import Path
from bench import measured_command

size, large = measured_command.proportional_set_size, set()

def seen(process):
    found = size(process)
    if found > 50_000_000:
        large.add(process)
    if len(large) == 2:
        Path("seen").touch()
    return found

measured_command.proportional_set_size = seen
measured_command.main(sys.argv[1:])
"""


def test_the_cost_of_a_command_holds_its_workers(tmp_path: Path) -> None:
    """Workers of a pool come from a server that outlives the command; their CPU time and memory count all the same."""
    (tmp_path / "load.py").write_text(_LOAD)
    command = [sys.executable, "-c", _MEASURE, "cost.json", "--", sys.executable, "load.py"]
    root = Path(__file__).parents[2]
    subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(root)}, check=True)
    cost = json.loads((tmp_path / "cost.json").read_text())
    assert cost["exit_code"] == 0
    assert 1.0 <= cost["cpu_seconds"] < 2.5  # two halves of a second, and the start of five interpreters
    assert 100e6 <= cost["peak_bytes"] < 250e6  # two times 50 MB, and interpreters that share most of their pages
    assert cost["wall_seconds"] >= 0.5


def _events(uuids: list[str], **columns: Any) -> pl.DataFrame:
    day = date(2025, 6, 1)
    frame = pl.DataFrame({"event_uuid": uuids, "created_date": [day] * len(uuids)})
    return frame.with_columns(**{name: pl.Series(values) for name, values in columns.items()})


def test_a_comparison_counts_every_kind_of_difference(tmp_path: Path) -> None:
    """Rows that are missing, added or repeated, values that differ, columns that are missing or of another shape."""
    nothing = pl.Series([None, "{}", None], dtype=pl.String)
    ours = _events(["a", "b", "c"], age=[1, 2, 3], device=[{"os": "ios"}] * 3, method=["x"] * 3, _rescued=nothing)
    theirs = _events(["a", "c", "c", "d"], age=[1, 30, 30, 4], device=['{"os":"ios"}'] * 4)
    ours.write_delta(str(tmp_path / "lake/events/account_created"))
    folder = tmp_path / "theirs/account_created/created_date=2025-06-01"
    folder.mkdir(parents=True)
    theirs.drop("created_date").write_parquet(folder / "data.parquet")
    found = compare(tmp_path / "lake", tmp_path / "theirs", "parquet", load_catalog(SAMPLE_CATALOG).event_types)
    assert found.as_json() == {
        "rows": 3,
        "missing_rows": 1,
        "extra_rows": 1,
        "repeated_rows": 1,
        "values": 4,  # created_date and age of a and c
        "different_values": 1,
        "where": {"account_created.age": 1},
        "missing_columns": 1,
        "reshaped_columns": 1,
        "rescued_rows": 1,
    }


def test_a_table_that_a_peer_lacks_is_missing_whole(tmp_path: Path) -> None:
    """No folder is no row."""
    _events(["a"], _rescued=pl.Series([None], dtype=pl.String)).write_delta(str(tmp_path / "events/account_created"))
    found = compare(tmp_path, tmp_path / "theirs", "delta", load_catalog(SAMPLE_CATALOG).event_types)
    assert (found.rows, found.missing_rows) == (1, 1)


def test_the_tables_tell_ratios_the_rest_and_what_is_missing() -> None:
    """Every row is compared with the platform's, in the same document."""
    cost = {"wall_seconds": 2.0, "cpu_seconds": 3.0, "peak_bytes": 1e6, "written_bytes": 1e6, "files": 7}
    steps = with_rest([{"step": "load", "wall_seconds": 0.5, "cpu_seconds": 1.0}], cost)
    assert steps[-1]["cpu_seconds"] == 2.0
    document = {
        "machine": {
            "cores": 2,
            "memory_bytes": 2**30,
            "processor": "of a test",
            "load_before": 0.5,
            "versions": {"Python": "3.11"},
        },
        "events": 1_000,
        "landing_bytes": 1_000_000,
        "rows": [
            {"key": "platform", "label": "ours", "versions": "", **cost},
            {"key": "other", "label": "theirs", "versions": "x 1.2.3", **cost, "wall_seconds": 5.0},
            {"key": "absent", "label": "nobody's", "missing": "no Java"},
        ],
        "steps": steps,
    }
    console = Console(width=160, record=True, file=StringIO())
    for table in tables(document):
        console.print(table)
    text = console.export_text()
    assert "2.50" in text
    assert "no Java" in text
    assert "x 1.2.3" in text


def test_a_row_that_cannot_be_run_stops_no_other(tmp_path: Path) -> None:
    """What is missing, and what ends with an error, says why; the rest is measured."""
    absent = Row("absent", "absent", lambda *_: [], packages=("no-such-package-anywhere",))
    failing = Row("failing", "failing", lambda *_: [sys.executable, "-c", "raise SystemExit('it broke')"])
    writing = Row("writing", "writing", lambda _l, _c, out: [sys.executable, "-c", _WRITES, str(out)])
    rows = {row["key"]: row for row in run(Bench(tmp_path), [absent, failing, writing], 2)}
    assert rows["absent"]["missing"]
    assert rows["failing"]["missing"] == "it broke"
    assert rows["writing"]["files"] == 1
    assert rows["writing"]["written_bytes"] == 5


_WRITES = (
    "import pathlib, sys; p = pathlib.Path(sys.argv[1]); p.mkdir(); (p / 'a').write_text('hello'); "
    "(p / '.a.crc').write_text('sum')"
)


def test_every_row_says_whether_it_can_be_run() -> None:
    """Versions of what does the work, or what is missing: nothing in between."""
    reasons = []
    for row in ROWS:
        try:
            assert bool(row.versions()) == bool(row.packages)
        except MissingError as error:
            reasons.append(str(error))
    assert all(reasons)

"""What `make bench-live` reports is what was there: when rows were in the tables, and the CPU of all processes."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from isal import igzip
from rich.console import Console

from bench.live import Figures, Setting, shown
from bench.live_places import Place, bucket_place
from bench.live_processes import kind_of
from bench.live_stream import Arrivals, RowCounter, StreamedObject, percentile, stream, streamed_object
from event_platform.defs.instance.opening import open_instance
from event_platform_tests.support.world import World, event, ndjson

_BURN = "import time\nwhile time.process_time() < 0.5: pass"
_MEASURE = f"""
import json, sys, time
from pathlib import Path
from bench.live_processes import _measured, _reap, adopt_orphans, ended_seconds, started, usage

adopt_orphans()
# What the command leaves behind is no child of it any more when it ends.
command = [sys.executable, "-c", "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]])"]
before = ended_seconds()
with started([*command, {_BURN!r}], None, Path(), Path("log")):
    began = usage(before)
    while _measured():
        _reap()
        time.sleep(0.05)
    print(json.dumps(usage(before).since(began)))
"""

_ASK = """
from event_platform.pipeline.opening import open_lake, open_landing

print(len(list(open_landing("{0.landing_uri}").list_objects())))
storage = open_lake("{0.lake_uri}").storage
storage.write("{0.lake_uri}/a.parquet", b"a")
storage.write("{0.lake_uri}/raw_events/_delta_log/0.json", b"b")
"""


def test_an_object_is_there_when_all_rows_up_to_its_own_are() -> None:
    """Rows come by commits of many tables; two objects may come by one run."""
    arrivals = Arrivals()
    arrivals.land(0, 10, rows_before=100)
    arrivals.see(5, 109)
    arrivals.land(60, 20, rows_before=109)
    arrivals.see(65, 110)
    arrivals.land(120, 5, rows_before=110)
    arrivals.see(130, 135)
    assert (arrivals.latencies, arrivals.waiting) == ([65, 70, 10], [])


def test_a_percentile_is_one_of_the_durations() -> None:
    """The smallest that so many are not above."""
    assert [percentile([3, 1, 2, 4], share) for share in (0.5, 0.95, 1)] == [2, 4, 4]
    assert percentile([], 0.5) == float("inf")


def test_rows_are_counted_through_appends_compaction_and_rebuilds(world: World, today: date) -> None:
    """As the tables hold them after each; what is in no event table counts by its row in unregistered_events."""
    world.deliver(today, "a", event("u1", today), event("u2", today))
    world.build(today)
    counter = RowCounter(world.lake, world.catalog)
    counts = [counter.rows]
    for number in range(3):
        world.deliver(today, f"b{number}", event(f"v{number}", today), event(f"w{number}", today, "ping"))
        world.build(today)
        counter.look()
        counts.append(counter.rows)
    assert counts == [2, 4, 6, 8]
    assert counter.commits >= 6


def test_a_stream_waits_for_the_rows_of_its_last_object(world: World, today: date) -> None:
    """Objects have the names of Firehose, and each is seen once."""
    names = list[str]()
    objects = [
        StreamedObject(igzip.compress(ndjson(event(f"u{n}", today), event(f"u{n}", today))), 1) for n in range(3)
    ]
    world.build(today)

    def put(name: str, data: bytes) -> None:
        names.append(name)
        path = world.root / "landing" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    counter = RowCounter(world.lake, world.catalog)
    found = stream(iter(objects), 3, put, counter, lambda: world.build(today), pace=0.01)
    assert (len(found[0]), found[1:], len(set(names))) == (3, (found[1], 0), 3)
    assert world.events("account_created")["event_uuid"].to_list() == ["u0", "u1", "u2"]


def test_an_object_knows_how_many_rows_it_brings(world: World) -> None:
    """Its redeliveries, conflicts and corrupt records are none."""
    moment = datetime.now(UTC).replace(hour=12)
    landed = streamed_object(2_000, 7, moment)
    other = streamed_object(2_000, 8, moment)
    lines = igzip.decompress(landed.data).splitlines()
    assert landed.events == 2_000 < len(lines)
    world.deliver_bytes(moment.date(), "a.gz", landed.data)
    world.deliver_bytes(moment.date(), "b.gz", other.data)
    world.load(moment.date())
    sound = world.raw().filter(pl.col("corruption_reason").is_null())
    assert sound["event_uuid"].n_unique() == landed.events + other.events
    assert sound["created_date"].unique().to_list() == [moment.date()]


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("python -m dagster._daemon run --log-level info", "daemon"),
        ("python -m dagster_webserver --port 3000", "webserver"),
        ("python -m dagster code-server start --socket /tmp/x", "code server"),
        ("python -m dagster api grpc --lazy-load-user-code", "code server"),
        ("python .venv/bin/dagster dev -w workspace.yaml", "dagster dev"),
        ("python -c from multiprocessing.spawn import spawn_main", "runs"),
    ],
)
def test_a_process_is_told_by_its_command_line(command: str, kind: str) -> None:
    """Pools of runs are among the runs."""
    assert kind_of(command) == kind


def test_the_cpu_time_of_processes_that_have_ended_is_counted(tmp_path: Path) -> None:
    """Also of those whose parents have ended before them."""
    command = [sys.executable, "-c", _MEASURE]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": f"{Path(__file__).parents[2]}"}, check=True, capture_output=True
    )
    found = Counter(json.loads(done.stdout))
    assert 0.4 < found.total() < 1.5  # half a second, and the start of two interpreters


def test_the_runs_are_read_from_the_records_of_dagster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By their status; one that has not ended has taken no time yet."""
    place = Place(tmp_path)
    place.home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(place.home))
    shutil.copy(Path(__file__).parents[2] / ".dagster" / "dagster.yaml", place.home)
    with open_instance(str(place.home), "lake") as instance:
        instance.add_run(dg.DagsterRun(job_name="any", status=dg.DagsterRunStatus.STARTED))
    assert place.runs() == [("STARTED", 0)]


def test_an_object_lands_whole(tmp_path: Path) -> None:
    """Nothing else is left in landing."""
    place = Place(tmp_path)
    place.put("2025/06/02/12/a.gz", b"data")
    assert [path.relative_to(place.landing) for path in place.landing.rglob("*.*")] == [Path("2025/06/02/12/a.gz")]


@pytest.mark.xdist_group("s3 requests")
def test_a_bucket_takes_objects_and_counts_the_requests_of_the_platform_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By kind; what the measurement asks for itself goes past the proxy. Nothing of the user's own AWS is used."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with bucket_place(tmp_path / "place", 0.001) as place:
        place.landing.mkdir()
        place.generate(200)
        place.put("2025/06/02/12/a", ndjson(event("u")))
        assert place.files() == 0
        command = [sys.executable, "-c", _ASK.format(place)]
        done = subprocess.run(command, env=place.measured_variables, capture_output=True, check=False, text=True)
        landed = sum(1 for _ in place.landing.rglob("*.gz"))
        assert done.stdout.split() == [f"{landed + 1}"], done.stderr
        figures = Figures([], 0, 0, 0, {}, 0, 0, 0, requests=place.requests())
        assert json.loads(json.dumps(asdict(figures)))["requests"] == {"LIST": 1, "PUT": 1, "PUT of a log": 1}
        assert place.requests() == {}
        lake = place.open_lake()
        assert (place.files(), lake.storage.read(f"{place.lake_uri}/a.parquet")) == (1, b"a")


def test_the_figures_are_shown() -> None:
    """Of the stream, and of each kind of process."""
    kinds = {"daemon": 6.0, "runs": 30.0}
    figures = Figures([5, 9, 30], 1, 0, 180, kinds, 900_000_000, 303, 700, [10, 12], 0)
    figures.requests, figures.idle_requests = {"LIST": 40, "PUT": 80}, {"LIST": 5}
    figures.idle_seconds, figures.idle_cpu_seconds, figures.idle_bytes = 100, {"daemon": 2.0}, {"daemon": 150_000_000}
    console = Console(file=StringIO(), width=120)
    for table in shown(Setting(16_700, 3, 12_000_000, 1, 30), figures):
        console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    of_stream = "9.0, 30.0, 30.0 s", "2 (0 failed), 11.0 s each", "303; 700", "30 ms", "40 LIST, 80 PUT", "40; 3"
    for shown_text in (*of_stream, "36.0", "12.00", "2.00%", "150"):
        assert shown_text in text

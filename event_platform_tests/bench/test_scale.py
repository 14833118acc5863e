"""How the cost grows can be measured again, and every case of it does the work that it says."""

import gzip
import json
import shutil
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from click.testing import CliRunner
from rich.console import Console

from bench import scale_cases, scale_window
from bench.commands import Commands, FailedError
from bench.rows import variables
from bench.scale import main, measure, one_more, shown
from bench.scale_cases import CASES, Outcome, Row, Scale, Workshop, expect
from bench.scale_inputs import Shape, write_catalog
from bench.scale_window import truth
from event_platform.checks import table_schema
from event_platform.cli.main import main as command
from event_platform.definitions import build_definitions
from event_platform.environment import SAMPLE_CATALOG, load_environment
from event_platform.events.catalog import load_catalog
from event_platform.lake.lake import Lake
from event_platform.lake.totals import lake_totals
from event_platform.pipeline.opening import open_landing
from event_platform.sample.own_assets import LESSONS
from event_platform.storage.storage import Storage
from event_platform_tests.support.command import call

_SMALL = Scale(
    sizes=(60, 120),
    small=120,
    objects=(30,),
    objects_types=3,
    objects_events=300,
    types=(5,),
    types_events=200,
    names=(30,),
    names_events=100,
    damaged=(7,),
    damaged_events=50,
    partitions_days=(3,),
    partitions_types=2,
    partitions_events=60,
    fields=(20,),
    keys=(1_100,),
    window=(11_000,),
    increment=120,
    bucket=120,
)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Where the samples of all tests are generated."""
    return Workshop(tmp_path_factory.mktemp("samples"))


@pytest.fixture
def shop(tmp_path: Path, samples: Workshop, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """An empty folder to measure in, by jobs of this process: one of its own takes five times as long."""
    monkeypatch.setattr(Workshop, "job", _job)
    sample = Workshop.sample
    monkeypatch.setattr(Workshop, "sample", lambda _shop, events: sample(samples, events))
    return Workshop(tmp_path)


def _job(shop: Workshop, landing: Path, known: dict[str, Any], catalog: Path = SAMPLE_CATALOG) -> Outcome:
    """Do the job as it is done to be measured, but without its cost."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables(landing, catalog, shop.lake).items():
            patch.setenv(name, value)
        call("run")
        ledger = json.loads(CliRunner().invoke(command, ["status", "--json"]).stdout)
    expect(ledger, known)
    return Outcome(_row("job", 1, 1.0).cost, ledger)


def _measured(shop: Workshop, case: str) -> list[Row]:
    rows, failed = measure(shop, [case], _SMALL)
    assert failed == {}
    assert all(row.cost["cpu_seconds"] > 0 and row.cost["peak_bytes"] > 0 for row in rows)
    return rows


def _ledger(shop: Workshop, catalog: Path) -> dict[str, Any]:
    return lake_totals(Lake(Storage(str(shop.lake))), load_catalog(catalog))


def _ledger_of(shop: Workshop, types: int) -> dict[str, Any]:
    write_catalog(shop.folder / "catalog", types)
    return _ledger(shop, shop.folder / "catalog")


def test_a_job_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Its totals are those of the stream."""
    shop = Workshop(tmp_path)
    outcome = shop.job_on(Shape(60, 2, objects=1))
    assert outcome.cost["cpu_seconds"] > 0
    assert outcome.cost["peak_bytes"] > 50_000_000
    assert (outcome.ledger["typed"], outcome.ledger["balanced"]) == (60, True)


def test_each_size_is_a_day_of_its_own_in_a_new_lake(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job is that of `small`, which the next test runs, so here it only records its arguments."""
    jobs: list[tuple[bool, int]] = []

    def job(shop: Workshop, landing: Path, known: dict[str, Any]) -> Outcome:
        jobs.append((shop.lake.exists(), known["deduplicated"]))
        assert any(landing.rglob("*.gz"))
        shop.lake.mkdir()
        return Outcome(_row("sizes", 1, 1.0).cost, known)

    monkeypatch.setattr(Workshop, "job", job)
    assert [(row.events, row.count) for row in _measured(shop, "sizes")] == [(60, 60), (120, 120)]
    assert jobs == [(False, 60), (False, 120)]


def test_the_job_and_dagster_alone_have_as_many_assets_and_checks(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the two would not be comparable. The case compares the ledger with the truth; so does this test.

    Dagster alone has as many types as the sample; here both have three, as each type has the same checks.
    """
    sample = load_catalog(SAMPLE_CATALOG)
    assert len(sample.event_types) == scale_cases.SAMPLE_TYPES
    monkeypatch.setattr(scale_cases, "SAMPLE_TYPES", len(LESSONS))
    whole, alone = _measured(shop, "small")
    few = replace(sample, event_types=tuple(sample.by_key[key] for key in LESSONS))
    definitions = build_definitions(load_environment({}), few)
    keys = [key for asset in definitions.assets or [] if isinstance(asset, dg.AssetsDefinition) for key in asset.keys]
    declared = [key for asset_check in definitions.asset_checks or [] for key in asset_check.check_keys]
    checks = [key for key in declared if key.name != table_schema.NAME]  # runs leave those out
    assert alone.size == f"Dagster alone: {len(keys)} materializations, {len(checks)} checks"
    assert alone.count == len(keys) + len(checks)
    assert whole.count == _SMALL.small
    found, (_, known) = _ledger(shop, SAMPLE_CATALOG), shop.sample(_SMALL.small)
    assert found["balanced"]
    assert all(found[name] == known[name] for name in ("landed", "corrupt_by_reason", "duplicates", "typed"))


def test_objects_hold_the_same_events_however_many_they_are(shop: Workshop) -> None:
    """The lake of the last row knows each of its objects."""
    assert [row.count for row in _measured(shop, "objects")] == [30]
    ledger = _ledger_of(shop, _SMALL.objects_types)
    assert (ledger["balanced"], ledger["typed"]) == (True, 300)
    names = Lake(Storage(str(shop.lake))).scan("raw_events", columns=["source_object"]).unique().collect()
    assert names.height == 30


def test_every_event_type_has_its_table(shop: Workshop) -> None:
    """The catalog is as large as asked for, and events are spread over it."""
    (row,) = _measured(shop, "types")
    ledger = _ledger_of(shop, 5)
    assert (ledger["balanced"], ledger["typed"], ledger["event_tables"], row.count) == (True, 200, 5, 5)


def test_names_that_the_catalog_lacks_and_damaged_pieces_are_as_many_as_asked_for(shop: Workshop) -> None:
    """One name has a table, and the events of the others none; each piece is a corrupt record."""
    assert [row.count for row in _measured(shop, "names")] == [30]
    ledger = _ledger_of(shop, 1)
    assert (ledger["balanced"], ledger["typed"], ledger["unregistered"], ledger["event_tables"]) == (True, 4, 96, 1)
    shutil.rmtree(shop.folder / "catalog")
    assert [row.count for row in _measured(shop, "damaged")] == [7]
    ledger = _ledger_of(shop, 10)
    assert (ledger["balanced"], ledger["typed"], ledger["corrupt_by_reason"]) == (True, 50, {"not_json": 7})


def test_every_day_of_every_type_is_a_partition(shop: Workshop) -> None:
    """Events are spread over all of them."""
    (row,) = _measured(shop, "partitions")
    assert row.count == 3 * 2
    ledger = _ledger_of(shop, 2)
    assert [day["typed"] for day in ledger["by_created_date"]] == [20, 20, 20]
    tables = [Lake(Storage(str(shop.lake))).table(f"events/area0_happened{number}") for number in range(2)]
    assert [sorted(table.snapshot().rows_by_date().values()) for table in tables] == [[10, 10, 10]] * 2


@pytest.mark.parametrize(("case", "counts"), [("fields", [20]), ("keys", [1_100])])
def test_objects_of_many_fields_and_of_keys_that_are_data_are_typed(
    shop: Workshop, case: str, counts: list[int]
) -> None:
    """The case compares what came out with the truth: every event is there, and what does not fit is rescued."""
    assert [row.count for row in _measured(shop, case)] == counts
    (written,) = (shop.lake / "wide").iterdir()
    columns = pl.read_parquet_schema(written)
    assert isinstance(columns["o"], pl.Struct) == (case == "fields")


def test_the_duplicates_of_a_window_are_exactly_those_that_were_put_in(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the same day with the same body, those of the days before with another one.

    Objects are a tenth of what is measured, so the commands are those of this process.
    """
    monkeypatch.setattr(scale_window, "_ROWS_PER_OBJECT", 10_000)
    monkeypatch.setattr(scale_window, "local_pool", lambda: ThreadPoolExecutor(2))
    monkeypatch.setattr(Commands, "run", _run_window)
    monkeypatch.setattr(Commands, "measured", _run_window)
    (row,) = _measured(shop, "window")
    assert (row.events, row.count) == (11_000, 77_000)
    assert truth(11_000) == {"unique": 10_879, "redelivery": 110, "conflict": 11}
    duplicates = Lake(Storage(str(shop.lake))).scan("duplicate_events").collect()
    days_before = (pl.col("arrival_date") - pl.col("survivor_arrival_date")).dt.total_days()
    found = duplicates.select("kind", days_before).rows()
    # The last 1,000 records are a second object: those have others of another day.
    assert Counter(found) == {("redelivery", 0): 110, ("conflict", 1): 10, ("conflict", 2): 1}


def _run_window(commands: Commands, name: str, command: Sequence[str]) -> Mapping[str, Any]:
    _, module, program, *arguments = command
    assert (module, program) == ("-m", "bench.scale_window")
    with redirect_stdout(StringIO()) as printed:
        scale_window.main(arguments)
    (commands.folder / f"{name}.log").write_text(printed.getvalue(), encoding="utf-8")
    return _row("window", 1, 1.0).cost


def test_the_last_hour_and_then_a_minute_come_into_the_lake_that_has_the_rest_of_the_day(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job, which is that of `small`, is asked for each; landing is as it was, for the next case."""
    landing, known = shop.sample(_SMALL.increment)
    before = {path: path.read_bytes() for path in landing.rglob("*.gz")}
    hour = {path for path in before if path.parent.name == "23"}
    jobs: list[tuple[bool, set[Path], bool]] = []

    def job(shop: Workshop, landing: Path, truth: dict[str, Any]) -> Outcome:
        paths = set(landing.rglob("*.gz"))
        jobs.append((shop.lake.exists(), paths, truth == known))
        shop.lake.mkdir(exist_ok=True)
        return Outcome(_row("increment", 1, 1.0).cost, {"deduplicated": sum(map(_lines_in, paths))})

    monkeypatch.setattr(Workshop, "job", job)
    *came, nothing = _measured(shop, "increment")
    assert sum(row.events for row in came) == sum(map(_lines_in, before))
    assert came[-1].events == 1  # a 1,440th of the day, and at least one
    assert (nothing.events, nothing.count, nothing.unit) == (0, 1, "run")
    (minute,) = jobs[-1][1] - before.keys()
    assert [each for _, each, _ in jobs] == [before.keys() - hour, set(before), {*before, minute}, {*before, minute}]
    assert [(built, is_known) for built, _, is_known in jobs] == [(False, False), (True, False), *[(True, True)] * 2]
    assert {path: path.read_bytes() for path in landing.rglob("*.gz")} == before


def test_requests_of_commands_in_a_bucket_are_counted(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last object comes after the first load. Here a command lists landing instead of what it is to do."""
    known = shop.sample(_SMALL.bucket)[1]
    listed: list[tuple[str, int]] = []

    def measured(commands: Commands, name: str, command: list[str]) -> Mapping[str, Any]:
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in commands.variables.items():
                patch.setenv(variable, value)
            landing = open_landing(commands.variables["EVENT_PLATFORM_LANDING"])
            listed.append((command[3], len(list(landing.list_objects()))))
        return _row(name, 1, 1.0).cost

    monkeypatch.setattr(Commands, "measured", measured)
    monkeypatch.setattr(Commands, "run", lambda *_: json.dumps(known))
    rows = _measured(shop, "bucket")
    assert [name for name, _ in listed] == ["run", "run", "run", "status", "query", "doctor"]
    first, *others = [count for _, count in listed]
    assert {first + 1} == set(others)
    assert all(row.cost["requests"] > 0 for row in rows)


def _lines_in(path: Path) -> int:
    try:
        return len(gzip.decompress(path.read_bytes()).splitlines())
    except (OSError, EOFError, zlib.error):  # an object that is broken on purpose
        return 0


def test_a_case_that_comes_out_otherwise_fails_and_stops_no_other(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong is told with both figures; what a lake holds beside is nobody's fault."""
    with pytest.raises(FailedError, match=r"^typed is 3, not 4$"):
        expect({"typed": 3, "landed": 5}, {"typed": 4, "by_hour": 1})
    monkeypatch.setitem(CASES, "types", lambda _shop, _scale: expect({"typed": 3}, {"typed": 4}))
    monkeypatch.setitem(CASES, "window", lambda _shop, _scale: iter([_row("window", 7, 1.0)]))
    rows, failed = measure(shop, ["types", "window"], _SMALL)
    assert failed == {"types": "typed is 3, not 4"}
    assert [row.case for row in rows] == ["window"]


def _row(case: str, count: int, cpu_seconds: float) -> Row:
    cost = {"wall_seconds": 1.5, "cpu_seconds": cpu_seconds, "peak_bytes": 5_000_000}
    return Row(case, f"{count} of them", 1_000, count, "object", cost)


def test_one_more_is_the_difference_to_the_row_above() -> None:
    """Only within a case, and only where there are more."""
    few, many = _row("objects", 100, 2.0), _row("objects", 1_100, 5.0)
    assert one_more(many, few) == pytest.approx(0.003)
    assert one_more(few, many) is None
    assert one_more(few, None) is None
    assert one_more(many, _row("types", 100, 2.0)) is None
    console = Console(width=160, record=True, file=StringIO())
    console.print(shown([few, many]))
    text = console.export_text()
    assert "20.00 ms/object" in text
    assert "3.00 ms/object" in text


def test_the_command_keeps_the_figures_and_says_what_it_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every number times the factor; an unknown case is an error that lists the others."""
    seen: list[Scale] = []

    def case(_shop: Workshop, scale: Scale) -> Iterator[Row]:
        seen.append(scale)
        yield _row("objects", 10, 1.0)

    monkeypatch.setitem(CASES, "objects", case)
    target = tmp_path / "kept/scale.json"
    run = CliRunner().invoke
    done = run(main, ["--only", "objects", "--factor", "0.001", "--json", f"{target}"], catch_exceptions=False)
    assert done.exit_code == 0
    assert (seen[0].objects, seen[0].objects_events, seen[0].objects_types, seen[0].small) == ((1, 5, 10), 440, 100, 1)
    document = json.loads(target.read_text())
    assert document["rows"][0]["cost"]["cpu_seconds"] == 1.0
    assert list(target.parent.iterdir()) == [target]
    wrong = run(main, ["--only", "object"])
    assert wrong.exit_code == 2
    assert "expected some of sizes, small, objects" in wrong.output

"""Where Dagster's events go: the profiles in the repository, and the logs that they name."""

import inspect
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._daemon.auto_run_reexecution import auto_run_reexecution
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon
from dagster_postgres import PostgresEventLogStorage, auth
from dagster_postgres.utils import get_conn_string
from sqlalchemy import create_engine, text

from bench.local_servers import Postgres, postgres_server, programs
from event_platform.defs.instance import sqlite_event_log as event_log
from event_platform.defs.instance.postgres_event_log import PostgresEventLog
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event

_ROOT = Path(__file__).parents[3]
_SQLITE, _POSTGRES = _ROOT / ".dagster" / "dagster.yaml", _ROOT / "deploy" / "postgres" / "dagster.yaml"
_AWS = _ROOT / "deploy" / "aws" / "dagster.yaml"
_STORAGES = {"run_storage", "event_log_storage", "schedule_storage"}
_ACCOUNTS = dg.AssetKey(["events", "account_created"])


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server of the tests in this file."""
    if programs() is None:
        pytest.skip("no PostgreSQL server here: Debian's package is postgresql")
    with postgres_server() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty DAGSTER_HOME."""
    folder = tmp_path / "dagster"
    folder.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    return folder


@pytest.fixture
def in_sqlite(home: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's records, as `make dev` keeps them."""
    with _opened(_SQLITE, home) as instance:
        yield instance


@pytest.fixture
def in_postgres(server: Postgres, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Dagster's records in PostgreSQL."""
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    with _opened(_POSTGRES, home) as instance:
        yield instance


@pytest.fixture(params=["in_sqlite", "in_postgres"])
def instance(request: pytest.FixtureRequest) -> dg.DagsterInstance:
    """Dagster's records, in one and in the other."""
    opened: dg.DagsterInstance = request.getfixturevalue(request.param)
    return opened


def test_the_profiles_differ_in_their_storage_alone() -> None:
    """What is set for one kind of storage holds for the other."""
    assert _without_storage(_SQLITE) == _without_storage(_POSTGRES)
    assert "concurrency" in _without_storage(_POSTGRES)


def test_the_profile_for_ecs_differs_in_what_a_task_is_alone() -> None:
    """Storage, pools, retries and retention are the same wherever PostgreSQL holds the records."""
    postgres, ecs = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (_POSTGRES, _AWS))
    assert postgres.pop("run_launcher")["class"] == "WatchfulRunLauncher"
    assert ecs.pop("run_launcher")["class"] == "EcsRunLauncher"
    assert ecs.pop("compute_logs")["class"] == "S3ComputeLogManager"
    # Starting a task takes longer than starting a process.
    assert ecs["run_monitoring"].pop("start_timeout_seconds") > postgres["run_monitoring"].pop("start_timeout_seconds")
    assert ecs == postgres


@pytest.mark.parametrize("path", [_POSTGRES, _AWS], ids=["postgres", "aws"])
def test_the_profile_for_postgres_has_no_secret(path: Path) -> None:
    """Whatever tells who connects comes from the environment."""
    profile = yaml.safe_load(path.read_text(encoding="utf-8"))
    for storage in _STORAGES:
        database = profile[storage]["config"]["postgres_db"]
        for name in ("hostname", "port", "username", "password", "db_name"):
            assert set(database[name]) == {"env"}, (storage, name)


def test_a_range_of_days_is_recorded_and_read_back(world: World, instance: dg.DagsterInstance) -> None:
    """Materializations, checks and rows, for each day."""
    world.deliver(MONDAY, "a", event("u1", plan="free"), event("u2"))
    world.deliver(TUESDAY, "b", event("u3", TUESDAY, plan="paid"))
    result = world.materialize(MONDAY, TUESDAY, instance=instance)
    found = instance.fetch_materializations(dg.AssetRecordsFilter(_ACCOUNTS), limit=1000, ascending=True).records
    records = [record for record in found if record.run_id == result.run_id]
    assert [(record.partition_key, _rows(record)) for record in records] == [("2025-06-02", 2), ("2025-06-03", 1)]
    assert instance.get_materialized_partitions(_ACCOUNTS) == {"2025-06-02", "2025-06-03"}
    assert _verdicts(instance, result.run_id)["unique_event_uuid", True] == 2 * 4
    latest = instance.get_latest_materialization_event(_ACCOUNTS)
    assert latest is not None
    assert latest.run_id == result.run_id
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.SUCCESS


def test_a_check_that_fails_is_recorded_as_failed(world: World, instance: dg.DagsterInstance) -> None:
    """The latest execution of a check says which day failed."""
    world.deliver(MONDAY, "a", event("u1", colour="unknown field"))
    world.materialize(MONDAY, instance=instance)
    key = dg.AssetCheckKey(_ACCOUNTS, "schema_conformance")
    (execution,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert execution.status.value == "FAILED"
    assert execution.event is not None
    assert "unknown field: colour" in str(execution.event.dagster_event)


def test_another_process_sees_events_while_the_log_is_open(world: World, instance: dg.DagsterInstance) -> None:
    """The UI is one: it reads what a run has written, before the run's process ends."""
    world.deliver(MONDAY, "a", event("u1"))
    run_id = world.materialize(MONDAY, instance=instance).run_id
    code = f"import dagster as dg; print(len(dg.DagsterInstance.get().all_logs({run_id!r})))"
    seen = subprocess.run([sys.executable, "-c", code], env=os.environ, check=True, capture_output=True, text=True)
    assert int(seen.stdout) == len(instance.all_logs(run_id)) > 0


def test_the_log_of_sqlite_holds_what_dagsters_own_reads(
    world: World, in_sqlite: dg.DagsterInstance, home: Path
) -> None:
    """Nobody is tied to it: Dagster's own class opens the same file."""
    world.deliver(MONDAY, "a", event("u1"))
    run_id = world.materialize(MONDAY, TUESDAY, instance=in_sqlite).run_id
    theirs = ConsolidatedSqliteEventLogStorage(str(home))
    assert theirs.get_logs_for_run(run_id) == in_sqlite.all_logs(run_id)
    assert theirs.has_asset_key(_ACCOUNTS)


def test_an_event_is_stored_whole_or_not_at_all(
    world: World, in_sqlite: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check's event is not in the log of a run without being among the executions of the check."""

    def fail(*_: Any) -> None:
        raise OSError("the disk is full")

    world.deliver(MONDAY, "a", event("u1"))
    monkeypatch.setattr(in_sqlite.event_log_storage, "store_asset_check_event", fail)
    with pytest.raises(OSError, match="disk"):
        world.materialize(MONDAY, instance=in_sqlite)
    (run,) = in_sqlite.get_runs()
    kinds = {log.dagster_event_type for log in in_sqlite.all_logs(run.run_id)}
    assert dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED in kinds
    assert dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED not in kinds


def test_who_watches_a_run_is_told_of_each_event_once(world: World, in_sqlite: dg.DagsterInstance) -> None:
    """The UI shows a run's events as they come."""
    world.deliver(MONDAY, "a", event("u1"))
    run_id = world.materialize(MONDAY, instance=in_sqlite).run_id
    message: Queue[dg.EventLogEntry] = Queue()

    def tell(entry: dg.EventLogEntry, _cursor: str) -> None:
        message.put(entry)

    in_sqlite.watch_event_logs(run_id, None, tell)
    events = in_sqlite.all_logs(run_id)
    assert [message.get(timeout=30) for _ in events] == list(events)
    in_sqlite.end_watch_event_logs(run_id, tell)
    assert message.empty()


def test_a_run_that_fails_while_the_daemon_looks_is_started_again(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its failure is in the log before the run says that it failed; the daemon looks at each event once."""
    started_again: list[str] = []
    monkeypatch.setattr(auto_run_reexecution, "retry_run", lambda run, _context: started_again.append(run.run_id))
    daemon, context = EventLogConsumerDaemon(), SimpleNamespace(instance=instance)

    def look() -> None:
        list(daemon.run_iteration(context))  # type: ignore[arg-type]

    say_so = instance.run_storage.handle_run_event

    def look_and_say_so(*arguments: Any) -> None:
        look()
        say_so(*arguments)

    look()
    run = instance.add_run(dg.DagsterRun("everything", status=dg.DagsterRunStatus.STARTED))
    monkeypatch.setattr(instance.run_storage, "handle_run_event", look_and_say_so)
    instance.report_run_failed(run, "its process was killed")
    look()
    assert started_again == []
    monkeypatch.setattr(event_log, "_SECONDS_TO_SETTLE", 0)
    look()
    look()
    assert started_again == [run.run_id]


def test_the_log_of_postgres_takes_every_option_of_dagsters_own() -> None:
    """A new option of Dagster that is not passed on fails here."""
    own, theirs = PostgresEventLog, PostgresEventLogStorage
    options: list[Any] = [own.config_type(), theirs.config_type()]
    expected = {"postgres_url", "postgres_db", "auth_provider", "should_autocreate_tables"}
    assert [set(option) for option in options] == [expected, expected]
    assert list(inspect.signature(own).parameters) == list(inspect.signature(theirs).parameters)


def test_the_log_of_postgres_makes_no_tables_where_it_is_not_to(server: Postgres) -> None:
    """Somebody with more rights makes them, and the platform's user only reads and writes."""
    database = _database(server, "empty")
    for make, expected in ((False, False), (True, True)):
        log = PostgresEventLog.from_config_value(None, {"postgres_db": database, "should_autocreate_tables": make})
        assert log.has_table("event_logs") is expected
        log.dispose()


def test_the_log_of_postgres_asks_for_a_token_where_it_is_told_to(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of RDS, it is the password, and every new connection has the one of now."""
    password = server.variables["DAGSTER_POSTGRES_PASSWORD"]
    asked: list[int] = []

    def token(_: auth.AwsWifTokenProvider) -> tuple[str, float]:
        asked.append(1)
        return password, 0.0  # has run out: each connection asks for another

    monkeypatch.setattr(auth.AwsWifTokenProvider, "_fetch_token", token)
    database = {**_database(server, "tokens"), "password": ""}
    log = PostgresEventLog.from_config_value(
        None, {"postgres_db": database, "auth_provider": {"aws_wif": {"region": "eu-central-1"}}}
    )
    before = len(asked)
    assert log.has_table("event_logs")
    assert len(asked) == before + 1
    log.dispose()


@contextmanager
def _opened(profile: Path, home: Path) -> Iterator[dg.DagsterInstance]:
    (home / "dagster.yaml").write_text(profile.read_text(encoding="utf-8"), encoding="utf-8")
    with dg.DagsterInstance.get() as instance:
        yield instance


def _database(server: Postgres, name: str) -> dict[str, Any]:
    """Make an empty database and return what dagster.yaml says of it."""
    known: dict[str, Any] = {
        "scheme": "postgresql+psycopg2",
        "hostname": server.variables["DAGSTER_POSTGRES_HOST"],
        "port": int(server.variables["DAGSTER_POSTGRES_PORT"]),
        "username": server.variables["DAGSTER_POSTGRES_USER"],
        "password": server.variables["DAGSTER_POSTGRES_PASSWORD"],
        "db_name": server.variables["DAGSTER_POSTGRES_DB"],
    }
    engine = create_engine(get_conn_string(**known), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"create database {name}"))
    engine.dispose()
    return {**known, "db_name": name}


def _without_storage(profile: Path) -> dict[str, Any]:
    settings = yaml.safe_load(profile.read_text(encoding="utf-8"))
    return {name: value for name, value in settings.items() if name not in _STORAGES}


def _rows(record: dg.EventLogRecord) -> Any:
    materialization = record.asset_materialization
    assert materialization is not None
    return materialization.metadata["dagster/partition_row_count"].value


def _verdicts(instance: dg.DagsterInstance, run_id: str) -> Counter[tuple[str, bool]]:
    found = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    events = [record.event_log_entry.dagster_event for record in found]
    return Counter(
        (data.check_name, data.passed)
        for data in (each.asset_check_evaluation_data for each in events if each is not None)
    )

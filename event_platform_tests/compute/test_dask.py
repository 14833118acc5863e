"""On a Dask cluster the tables are those of the local pool, whoever dies; and no credential goes there."""

import gc
import pickle
import platform
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.local_servers import free_port
from event_platform.compute import dask as module
from event_platform.compute.dask import _digest, _open_storage, _pickle_call, cluster, versions
from event_platform.compute.executor import open_executor
from event_platform.compute.tasks import counting_cpu_time, run_tasks
from event_platform.environment import EnvironmentName
from event_platform.events.errors import ClusterError, LandingError, SettingError
from event_platform.lake.lake import Lake
from event_platform.landing.bucket import BucketLanding
from event_platform.pipeline.loading.objects import ObjectSource
from event_platform.pipeline.opening import open_lake, open_landing
from event_platform.storage.storage import Storage
from event_platform_tests.compute.test_pool import fail, threads_of_polars
from event_platform_tests.compute.test_tasks import run
from event_platform_tests.support.command import call_with, finish, start, variables
from event_platform_tests.support.comparison import contents
from event_platform_tests.support.dask_cluster import DaskCluster, dask_cluster
from event_platform_tests.support.mending import write_functions
from event_platform_tests.support.s3 import ACCESS_KEY, SECRET_KEY, SESSION_TOKEN, client, put, use_s3
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, event, noon

pytestmark = pytest.mark.xdist_group("dask")

DAYS = (MONDAY, TUESDAY, WEDNESDAY)
#: A landed object's etag is its hash on S3 and its time of change in a folder.
WITHOUT = ("source_etag",)
_WORKERS_KEY = "AKIAOFTHEWORKER00001"
SECRETS = (ACCESS_KEY, SECRET_KEY, SESSION_TOKEN)


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[DaskCluster]:
    """A cluster without any process yet."""
    with dask_cluster(tmp_path / "dask") as started:
        yield started


@pytest.fixture(scope="module")
def running(s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A cluster of one worker, with a key of its own, that nobody kills."""
    with pytest.MonkeyPatch.context() as patch, dask_cluster(tmp_path_factory.mktemp("dask")) as started:
        use_s3(patch, s3_endpoint)
        started.start_scheduler()
        started.start_worker(AWS_ACCESS_KEY_ID=_WORKERS_KEY)
        yield started


@pytest.fixture
def landed(world: World, bucket: str) -> World:
    """Three days in a bucket: redeliveries, a conflict, corrupt, late, unregistered and mended records."""
    write_functions(world)
    for day in DAYS:
        wrong_unit = {**event(f"ms-{day}"), "created_at": 1000 * noon(day)}
        sound = [event(f"{day}-{number}", day, plan="free") for number in range(60)]
        lessons = [event(f"l-{day}-{number}", day, "lesson:started", user=f"usr_{number}") for number in range(60)]
        world.deliver(day, "a.gz", *sound, *sound[:5], "{broken", wrong_unit, event("shared", plan=f"{day}"))
        world.deliver(day, "b", *lessons, event(f"x-{day}", day, "beta:clicked"), event(f"late-{day}", plan="pro"))
    landing = world.root / "landing"
    for path in landing.rglob("*"):
        if path.is_file():
            put(bucket, f"landing/{path.relative_to(landing).as_posix()}", path.read_bytes())
    return world


def settings(world: World, bucket: str, compute: str) -> dict[str, str]:
    """Return the variables of the environment dev in a bucket."""
    return {
        **variables(world),
        "EVENT_PLATFORM_ENV": EnvironmentName.DEV,
        "EVENT_PLATFORM_LANDING": f"s3://{bucket}/landing",
        "EVENT_PLATFORM_LAKE": f"s3://{bucket}/lake",
        "EVENT_PLATFORM_COMPUTE": compute,
    }


@pytest.fixture
def expected(landed: World) -> dict[str, list[str]]:
    """What the steps make of what landed on this machine, in a folder."""
    landed.build(*DAYS)
    return contents(landed.lake, landed.catalog, without=WITHOUT)


def test_whichever_worker_is_killed_in_mid_task_the_tables_are_those_of_the_local_pool(
    landed: World, bucket: str, dask: DaskCluster, expected: dict[str, list[str]]
) -> None:
    """One dies in each step, with its files written and nobody told; another does the task again."""
    dask.start_scheduler()
    worker = dask.start_worker("event_platform.pipeline.loading.tasks:load_objects")
    driver = start(settings(landed, bucket, dask.address), "run")
    dask.wait_for_stall(worker, driver)
    for task in ("deduplication.tasks:split_files", "typing.tasks:type_events", "reporting.tasks:count_day", None):
        successor = dask.start_worker(task and f"event_platform.pipeline.{task}")
        worker.kill()
        if task is not None:
            dask.wait_for_stall(successor, driver)
        worker = successor
    finish(driver)
    lake = open_lake(f"s3://{bucket}/lake")
    assert contents(lake, landed.catalog, without=WITHOUT) == expected
    for table in (lake.raw_events, lake.deduplicated_events, lake.quality_report):
        assert parquet_files(bucket, f"lake/{table.name}/") > len(table.snapshot().files())  # some are nobody's


def test_a_scheduler_that_goes_away_is_told_and_a_second_run_completes(
    landed: World, bucket: str, dask: DaskCluster, expected: dict[str, list[str]]
) -> None:
    """The running step has committed nothing, earlier ones are complete; with a new scheduler, everything is built."""
    variables_ = settings(landed, bucket, dask.address)
    scheduler = dask.start_scheduler()
    worker = dask.start_worker("event_platform.pipeline.typing.tasks:type_events")
    driver = start(variables_, "run")
    dask.wait_for_stall(worker, driver)
    scheduler.kill()
    output, _ = driver.communicate(timeout=300)
    assert driver.returncode == 1
    assert "event tables: the scheduler of the cluster went away, or dropped tasks; nothing that they wrote" in output
    committed = contents(open_lake(f"s3://{bucket}/lake"), landed.catalog, without=WITHOUT)
    for table, rows in expected.items():
        done = table in {"raw_events", "corrupt_events", "deduplicated_events", "duplicate_events"}
        assert committed[table] == (rows if done else [])
    scheduler.wait(timeout=30)
    dask.start_scheduler()
    dask.start_worker()
    call_with(variables_, "run")
    assert contents(open_lake(f"s3://{bucket}/lake"), landed.catalog, without=WITHOUT) == expected


def parquet_files(bucket: str, prefix: str) -> int:
    """Count the Parquet files below a prefix, whether a table knows them or not."""
    pages = client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return sum(each["Key"].endswith(".parquet") for page in pages for each in page.get("Contents", []))


def access_key(storage: Storage) -> tuple[str, str]:
    """Return the key that a task would use, and the region."""
    return storage.options["access_key_id"], storage.options["region"]


def test_a_worker_is_prepared_and_uses_its_own_credentials(bucket: str, running: DaskCluster) -> None:
    """One polars thread, little garbage collection; equal tasks are done each; errors come back; time is counted."""
    storage = open_lake(f"s3://{bucket}/lake").storage
    with open_executor(running.address) as executor:
        assert executor.submit(threads_of_polars).result()[1] == 1
        assert executor.submit(gc.get_threshold).result()[0] == 1_000_000
        assert executor.submit(access_key, storage).result() == (_WORKERS_KEY, storage.options["region"])
        assert len(set(run_tasks(executor, uuid.uuid4, [()] * 3, lambda *_: None, "equal tasks"))) == 3
        with pytest.raises(LandingError, match="landing/a: gone"):
            executor.submit(fail).result()
        with counting_cpu_time() as cpu_time:
            run(executor, 0.4)
        assert cpu_time.seconds > 0.4
    assert _WORKERS_KEY not in running.logs()


def test_a_scheduler_that_comes_back_is_found_by_the_next_task(dask: DaskCluster) -> None:
    """As when a step is tried again."""
    scheduler = dask.start_scheduler()
    dask.start_worker()
    with open_executor(dask.address) as executor:
        first = executor.submit(uuid.uuid4).result()
        scheduler.kill()
        scheduler.wait(timeout=30)
        dask.start_scheduler()
        dask.start_worker()
        assert run_tasks(executor, uuid.uuid4, [()], lambda *_: None, "again") != [first]


def test_a_worker_with_other_versions_does_nothing(running: DaskCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reports the versions, whenever it joins."""
    driver_versions = versions()
    monkeypatch.setattr("event_platform.compute.dask.versions", lambda: {**driver_versions, "polars": "9.9"})
    with cluster(running.address) as executor, pytest.raises(SettingError) as failure:
        executor.submit(uuid.uuid4).result()
    assert "EVENT_PLATFORM_COMPUTE: expected the same versions on every machine" in str(failure.value)
    assert f"{platform.node()} has polars {driver_versions['polars']}, the driver 9.9" in str(failure.value)


def test_code_that_was_changed_is_another_version(tmp_path: Path) -> None:
    """Even with the same version number."""
    shutil.copytree(Path(module.__file__).parents[1], tmp_path / "other")
    same = _digest(tmp_path / "other")
    assert same in versions().values()
    with (tmp_path / "other" / "pipeline" / "loading" / "tasks.py").open("a", encoding="utf-8") as changed:
        changed.write("# by another rule")
    assert _digest(tmp_path / "other") != same


def test_a_worker_without_this_package_says_so(dask: DaskCluster, tmp_path: Path) -> None:
    """The worker stays, and so does its scheduler, which may lack the package as well."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['event_platform'] = None", encoding="utf-8")
    dask.start_scheduler(PYTHONPATH=str(tmp_path))
    worker = dask.start_worker(PYTHONPATH=str(tmp_path))
    with cluster(dask.address) as executor:
        for _ in range(2):
            with pytest.raises(ModuleNotFoundError, match="event_platform"):
                executor.submit(uuid.uuid4).result()
    assert worker.poll() is None


def test_a_scheduler_without_workers_or_none_at_all_is_told_in_seconds(
    dask: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the variable that sets it, and the remedy."""
    monkeypatch.setattr("event_platform.compute.dask.PATIENCE", 1)
    dask.start_scheduler()
    with cluster(dask.address) as executor, pytest.raises(ClusterError, match="had no worker within 1 seconds") as none:
        executor.submit(uuid.uuid4)
    assert f"dask worker {dask.address}" in str(none.value)
    nobody = f"tcp://127.0.0.1:{free_port()}"
    with cluster(nobody) as executor, pytest.raises(ClusterError) as failure:
        executor.submit(uuid.uuid4)
    assert f"EVENT_PLATFORM_COMPUTE: {nobody}: no scheduler answered within 1 seconds" in str(failure.value)


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is done."""
    monkeypatch.delitem(sys.modules, "event_platform.compute.dask")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SettingError, match=r"tcp://a:1: distributed is not installed; .*event-platform\[dask\]"):
        open_executor("tcp://a:1").__enter__()


def test_no_credential_is_in_what_is_sent(world: World, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the lake's nor landing's, wherever they are in the arguments; who gets them has others."""
    storage, landing = open_lake(f"s3://{bucket}/lake").storage, open_landing(f"s3://{bucket}/landing")
    assert isinstance(landing, BucketLanding)
    assert landing.store.options["secret_access_key"] == SECRET_KEY
    source = ObjectSource(landing, world.catalog.envelope, world.start_date)
    packed = _pickle_call((tuple, ((source, storage, Lake(storage)),), {}))
    for secret in SECRETS:
        assert secret.encode() not in packed
    monkeypatch.setattr("event_platform.compute.dask._prepare", lambda: None)  # it would prepare this process
    loaded, alone, lake = pickle.loads(packed)  # noqa: S301 - our own
    assert alone == lake.storage == storage
    assert loaded.landing.store.root == f"s3://{bucket}/landing"
    assert "secret_access_key" not in loaded.landing.store.options


def test_a_worker_without_credentials_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the required settings."""
    monkeypatch.setattr("event_platform.compute.dask._session", NoCredentials)
    with pytest.raises(SettingError, match=r"s3://b/lake: a worker has no AWS credentials; give it AWS_PROFILE"):
        _open_storage("s3://b/lake", {})


class NoCredentials:
    """A session that finds none."""

    def get_credentials(self) -> None:
        """Find nothing."""

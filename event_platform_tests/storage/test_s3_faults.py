"""S3 at its worst: what fails for a while is tried again, what fails for good is told, and nothing is lost."""

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest

from event_platform.environment import Environment, EnvironmentName
from event_platform.events.errors import LandingError, StorageError, UnreadableError
from event_platform.lake import snapshot_cache
from event_platform.lake.lake import Lake
from event_platform.lake.ledger import deliveries
from event_platform.lake.table_commit import TableCommit
from event_platform.landing.landing import Landing
from event_platform.pipeline.opening import open_lake, open_landing
from event_platform.storage import clients
from event_platform.storage.polars_errors import translate_errors
from event_platform_tests.support.command import call_with, finish, start, variables
from event_platform_tests.support.comparison import contents
from event_platform_tests.support.faulty_s3 import (
    LATE,
    LOST_ANSWER,
    RESET,
    SILENCE,
    TRUNCATED,
    FaultyS3,
    Rule,
)
from event_platform_tests.support.live import PROJECT
from event_platform_tests.support.s3 import SECRET_KEY, SESSION_TOKEN, client, new_bucket, use_s3
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event

pytestmark = pytest.mark.xdist_group("faulty_s3")

#: A landed object's etag is its hash on S3 and its time of change in a folder.
WITHOUT = ("source_etag",)
DATA, LOG = r"\.parquet$", r"_delta_log/\d{20}\.json$"


@dataclass
class BucketWorld(World):
    """A world in a bucket."""

    bucket: str = ""

    @property
    def landing(self) -> Landing:
        """What has landed in the bucket."""
        return open_landing(f"s3://{self.bucket}/landing")

    @property
    def lake(self) -> Lake:
        """The lake in the bucket."""
        return open_lake(f"s3://{self.bucket}/lake")

    @property
    def environment(self) -> Environment:
        """The environment dev, in the bucket."""
        landing, lake = f"s3://{self.bucket}/landing", f"s3://{self.bucket}/lake"
        return replace(super().environment, name=EnvironmentName.DEV, landing=landing, lake=lake)

    def deliver_bytes(self, day: date, name: str, data: bytes, hour: int = 12) -> Path:
        """Land an object with exactly these bytes, in the bucket and in the folder."""
        path = super().deliver_bytes(day, name, data, hour)
        client().put_object(Bucket=self.bucket, Key=f"landing/{day:%Y/%m/%d}/{hour:02d}/{name}", Body=data)
        return path

    def variables(self) -> dict[str, str]:
        """Return what a command takes to be in this world."""
        settings = self.environment
        places = {"EVENT_PLATFORM_LANDING": settings.landing, "EVENT_PLATFORM_LAKE": settings.lake}
        return {**variables(self), "EVENT_PLATFORM_ENV": settings.name, **places}


@pytest.fixture
def faulty(proxy: FaultyS3, monkeypatch: pytest.MonkeyPatch) -> FaultyS3:
    """The proxy, with no faults yet, and the AWS variables set to reach it."""
    use_s3(monkeypatch, proxy.endpoint)
    proxy.set()
    return proxy


@pytest.fixture
def bucket_world(faulty: FaultyS3, tmp_path: Path) -> BucketWorld:
    """A world in a bucket behind the proxy."""
    return BucketWorld(tmp_path, bucket=new_bucket())


@pytest.fixture(scope="module")
def loaded(proxy: FaultyS3, tmp_path_factory: pytest.TempPathFactory) -> BucketWorld:
    """A world in a bucket, Monday loaded; tests leave it as it is."""
    proxy.set()
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_s3(monkeypatch, proxy.endpoint)
        world = BucketWorld(tmp_path_factory.mktemp("loaded"), bucket=new_bucket())
        land_some(world)
        world.load(MONDAY)
        return world


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tries, by the variable of AWS: what fails for good need not be waited for."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")


def expected(bucket_world: BucketWorld) -> World:
    """Return the same world in a folder, built."""
    world = World(bucket_world.root)
    world.build(MONDAY, TUESDAY)
    return world


def land_some(world: World) -> None:
    """Land what has duplicates, late and corrupt records, on two days."""
    world.deliver(MONDAY, "a.gz", *(event(f"u{number}", plan="free") for number in range(50)), "{broken")
    world.deliver(MONDAY, "b", event("l1", name="lesson:started", user="usr_1"), event("u1", plan="pro"))
    world.deliver(TUESDAY, "a", event("u2", plan="free"), event("u60", TUESDAY), event("x1", name="beta:clicked"))


def test_what_fails_for_a_while_is_tried_again(bucket_world: BucketWorld, faulty: FaultyS3) -> None:
    """Of each kind of request the first three: listings, objects, logs, files, commits. Each row is there once."""
    land_some(bucket_world)
    paths = ["list-type=2.*landing", "landing/.*/a.gz", "landing/.*/b", "list-type=2.*_delta_log", LOG, DATA]
    rules = [Rule("GET", path, fault) for path in paths for fault in ("SlowDown", RESET, TRUNCATED)]
    rules += [Rule("PUT", path, fault) for path in (LOG, DATA) for fault in ("InternalError", RESET, LOST_ANSWER)]
    faulty.set(*rules)
    bucket_world.build(MONDAY, TUESDAY)
    assert faulty.faults() == len(rules)
    assert contents(bucket_world.lake, bucket_world.catalog, without=WITHOUT) == contents(
        expected(bucket_world).lake, bucket_world.catalog, without=WITHOUT
    )


@pytest.mark.parametrize("fault", [RESET, LOST_ANSWER, "InternalError"])
def test_a_commit_is_made_once_whatever_becomes_of_its_answer(
    bucket_world: BucketWorld, faulty: FaultyS3, fault: str
) -> None:
    """It is looked up if the answer was lost, and repeated if it is missing."""
    land_some(bucket_world)
    bucket_world.lake.raw_events.snapshot_to_write()
    faulty.set(Rule("PUT", r"raw_events/_delta_log/0{19}1.json", fault))
    bucket_world.load(MONDAY)
    assert faulty.faults() == 1
    snapshot = bucket_world.lake.raw_events.snapshot()
    assert (snapshot.version, snapshot.scan().collect().height) == (1, 53)


@pytest.mark.parametrize("fault", [SILENCE, TRUNCATED])
def test_nobody_waits_for_ever(
    loaded: BucketWorld, faulty: FaultyS3, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for an answer nor for the rest of it: obstore, delta-rs and polars give up and ask again."""
    monkeypatch.setattr(clients, "_READ_SECONDS", 1)
    snapshot_cache._CACHE.clear()  # else the log is not read
    faulty.set(*(Rule("GET", path, fault, seconds=3600) for path in ("landing/.*/b", "corrupt_events/.*json", DATA)))
    assert loaded.landing.read("2025/06/02/12/b")
    assert loaded.lake.corrupt_events.snapshot().version >= 0
    assert loaded.lake.raw_events.snapshot().scan([MONDAY]).collect().height == 53
    assert faulty.faults() == 3


#: obstore is sent where S3 points.
FOLLOWED = ("PermanentRedirect", "AuthorizationHeaderMalformed")
DENIED, SLOW = r"AccessDenied: Access Denied\. Grant ", r"SlowDown: Please reduce .* Tried 2 times; .*fewer workers"
NO_BUCKET = r"NoSuchBucket: .* Create the bucket, or correct EVENT_PLATFORM_LANDING or EVENT_PLATFORM_LAKE"
EXPIRED, REGION_IS = (
    r"ExpiredToken: .* Renew the credentials: `aws sso login`",
    r"is in us-west-2: set AWS_REGION=us-west-2",
)
UNREACHABLE = r" Tried 2 times; check the network .* AWS_ENDPOINT_URL"


@pytest.mark.parametrize(
    ("fault", "message", "transient"),
    [
        ("SlowDown", SLOW, True),
        ("InternalError", "InternalError: We encountered", True),
        (RESET, UNREACHABLE, True),
        ("AccessDenied", DENIED, False),
        ("ExpiredToken", EXPIRED, False),
        ("InvalidAccessKeyId", r"The store does not know the access key: check AWS_ACCESS_KEY_ID", False),
        ("PermanentRedirect", REGION_IS, False),
        ("AuthorizationHeaderMalformed", REGION_IS, False),
        ("NoSuchBucket", NO_BUCKET, False),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_what_fails_for_good_says_where_and_what_to_do(
    loaded: BucketWorld, faulty: FaultyS3, fault: str, message: str, *, transient: bool
) -> None:
    """Whichever library meets it: on listing, reading, opening a table, reading its rows, and on a commit."""
    landing, lake, bucket = loaded.landing, loaded.lake, f"s3://{loaded.bucket}"
    snapshot_cache._CACHE.clear()  # with the clients of the tests before, which have more patience
    snapshot = lake.raw_events.snapshot_to_write()

    @contextmanager
    def met(path: str, where: str, method: str = "GET") -> Iterator[None]:
        """Meet the fault, and then see what was told of it."""
        rule = Rule(method, path, fault, times=None, region="us-west-2")
        faulty.set(rule, replace(rule, method="HEAD", path=""))
        with pytest.raises(StorageError) as raised, translate_errors():
            yield
        text = str(raised.value)
        assert re.match(rf"{bucket}/{where}.*{message}", text), text
        assert raised.value.transient is transient
        assert not any(secret in text for secret in (SECRET_KEY, SESSION_TOKEN, "<"))

    if fault not in FOLLOWED:
        with met("list-type", "landing/: "):
            list(landing.list_objects([MONDAY]))
        with met("landing/", "landing/2025/06/02/12/b: "):
            landing.read("2025/06/02/12/b")
    with met(r"_delta_log|list-type", "lake/raw_events: the table cannot be opened: "):
        lake.raw_events.snapshot()
    with met(DATA, r"lake/raw_events/arrival_date=2025-06-02/[0-9a-f-]+\.parquet: "):
        snapshot.scan([MONDAY]).collect()
    with met("_delta_log", "lake/raw_events: the commit failed: ", "PUT"):
        TableCommit(snapshot).append([MONDAY], [], {MONDAY: snapshot.version + 1}).commit()
    if fault not in FOLLOWED:
        with met(DATA, r"lake/raw_events/.*\.parquet: ", "PUT"):
            lake.storage.write(lake.storage.uri("raw_events/1.parquet"), b"")
    faulty.set()
    assert lake.raw_events.snapshot().version == snapshot.version


def test_a_bucket_in_another_region_is_read_from_there(bucket_world: BucketWorld, faulty: FaultyS3) -> None:
    """By landing, which goes where S3 points."""
    land_some(bucket_world)
    faulty.set(Rule("GET", "landing", "AuthorizationHeaderMalformed", region="us-west-2"))
    assert len(list(bucket_world.landing.list_objects([MONDAY]))) == 2
    assert faulty.faults() == 1


def test_access_denied_to_one_object_does_not_stop_the_others(bucket_world: BucketWorld, faulty: FaultyS3) -> None:
    """It is told by name, the run fails, the others are loaded and built; a later run takes it."""
    land_some(bucket_world)
    faulty.set(Rule("GET", "landing/2025/06/02/12/b$", "AccessDenied", times=None))
    output = call_with(bucket_world.variables(), "run", code=1)
    message = f"s3://{bucket_world.bucket}/landing/2025/06/02/12/b: AccessDenied: Access Denied. Grant s3:GetObject on "
    assert f"{message}arn:aws:s3:::{bucket_world.bucket}/landing/2025/06/02/12/b" in " ".join(output.split())
    assert "this one stays due" in output
    rows = bucket_world.lake.deduplicated_events.snapshot().scan().collect()
    assert {"u1", "u2", "u60", "x1"} <= set(rows["event_uuid"])
    assert "l1" not in set(rows["event_uuid"])
    due = deliveries(bucket_world.lake.raw_events.snapshot(), bucket_world.landing, None).due
    assert [landed.name for landed in due] == ["2025/06/02/12/b"]
    faulty.set()
    bucket_world.build(MONDAY, TUESDAY)
    assert contents(bucket_world.lake, bucket_world.catalog, without=WITHOUT) == contents(
        expected(bucket_world).lake, bucket_world.catalog, without=WITHOUT
    )


def test_many_objects_that_cannot_be_read_are_counted(bucket_world: BucketWorld, faulty: FaultyS3) -> None:
    """Five are named, with what to do."""
    for number in range(8):
        bucket_world.deliver(MONDAY, f"{number}", event(f"u{number}"))
    faulty.set(Rule("GET", "landing/.*/[0-6]$", "AccessDenied", times=None))
    with pytest.raises(UnreadableError) as raised:
        bucket_world.load(MONDAY)
    assert str(raised.value).count("Grant s3:GetObject on ") == 5
    assert "And 2 more. The other objects are loaded; these 7 stay due" in str(raised.value)
    assert not raised.value.transient
    assert bucket_world.raw()["event_uuid"].to_list() == ["u7"]


def test_an_object_that_is_gone_when_it_is_read_may_pass(bucket_world: BucketWorld, faulty: FaultyS3) -> None:
    """The next try lists it no more."""
    land_some(bucket_world)
    faulty.set(Rule("GET", "landing/2025/06/02/12/b$", "", delete=(f"/{bucket_world.bucket}/landing/2025/06/02/12/b",)))
    with pytest.raises(LandingError, match=r"12/b: NoSuchKey.* it is gone") as raised:
        bucket_world.load(MONDAY)
    assert raised.value.transient
    bucket_world.load(MONDAY)
    assert bucket_world.raw().height == 51


def test_a_listing_that_changes_between_its_pages_loses_nothing(bucket_world: BucketWorld, faulty: FaultyS3) -> None:
    """Objects that land before the listing's position are loaded by the next run, those after it by this one."""
    for number in range(25):  # two pages
        bucket_world.deliver(MONDAY, f"{number:02d}", event(f"u{number:02d}"))
    folder = f"/{bucket_world.bucket}/landing/2025/06/02/12"
    body = '{"event_uuid": "%s", "event_name": "account:created", "created_at": 1748865600}\n'
    changes = {f"{folder}/00-early": body % "early", f"{folder}/99-late": body % "late", f"{folder}/24": body % "u24b"}
    faulty.set(Rule("GET", "continuation-token", "", put=changes, delete=(f"{folder}/23",)))
    bucket_world.load(MONDAY)
    first = bucket_world.raw()["event_uuid"].to_list()
    assert "late" in first
    assert "early" not in first
    bucket_world.load(MONDAY)
    uuids = bucket_world.raw()["event_uuid"].to_list()
    assert sorted(uuids) == ["early", "late", *(f"u{number:02d}" for number in range(23)), "u24b"]


def test_a_listing_that_shows_an_object_twice_has_it_once(bucket_world: BucketWorld, faulty: FaultyS3) -> None:
    """Stores without a strict order repeat what moved between their pages."""
    land_some(bucket_world)
    listed = list(bucket_world.landing.list_objects([MONDAY]))
    twice = type("Twice", (), {"list_objects": lambda *_: iter([*listed, *listed])})()
    assert len(deliveries(bucket_world.lake.raw_events.snapshot(), twice, [MONDAY]).due) == 2


def test_an_object_that_changes_between_listing_and_reading_is_read_again(
    bucket_world: BucketWorld, faulty: FaultyS3
) -> None:
    """The ledger has it as listed, so the next run sees the change; no row is there twice."""
    bucket_world.deliver(MONDAY, "a", event("u1"))
    changed = '{"event_uuid": "u2", "event_name": "account:created", "created_at": 1748865600}\n' * 2
    path = f"/{bucket_world.bucket}/landing/2025/06/02/12/a"
    faulty.set(Rule("GET", "12/a$", "", put={path: changed}))
    bucket_world.load(MONDAY)
    bucket_world.load(MONDAY)
    assert bucket_world.raw()["event_uuid"].to_list() == ["u2", "u2"]
    assert bucket_world.raw()["source_size"].unique().to_list() == [len(changed)]


#: Seconds after which all that keeps keys has asked for them again.
ASKED_AGAIN = 2.5


def of_a_role(faulty: FaultyS3, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Have the credentials of this process come from an endpoint as ECS has it, and expire after so many seconds."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", faulty.give_sessions(seconds))


def keys_seen(faulty: FaultyS3) -> set[str]:
    """Return the access keys that requests were signed with."""
    return {request.access_key for request in faulty.requests() if request.access_key}


def test_a_run_outlives_the_credentials_it_began_with(
    bucket_world: BucketWorld, faulty: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task on ECS gets keys that expire, and new ones in time: everything that talks to S3 takes the new ones."""
    land_some(bucket_world)
    of_a_role(faulty, monkeypatch, 12)
    faulty.set(
        Rule("GET", "landing/.*/a.gz$", LATE, seconds=ASKED_AGAIN, age=7),
        Rule("PUT", "deduplicated_events.*parquet", LATE, seconds=ASKED_AGAIN, age=7),
    )
    finish(start(bucket_world.variables(), "run"))
    assert len(keys_seen(faulty)) >= 3
    assert "ExpiredToken" not in {request.fault for request in faulty.requests()}
    assert contents(bucket_world.lake, bucket_world.catalog, without=WITHOUT) == contents(
        expected(bucket_world).lake, bucket_world.catalog, without=WITHOUT
    )


def test_a_snapshot_outlives_the_credentials_it_was_opened_with(
    bucket_world: BucketWorld, faulty: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is committed to, and read, with the keys of then."""
    land_some(bucket_world)
    bucket_world.load(MONDAY)
    of_a_role(faulty, monkeypatch, 8)
    snapshot = bucket_world.lake.raw_events.snapshot_to_write()
    rows = snapshot.scan()
    faulty.age(9)
    time.sleep(ASKED_AGAIN)
    TableCommit(snapshot).append([MONDAY], [], {MONDAY: snapshot.version + 1}).commit()
    assert len(snapshot.commits_since(0)) == 1
    assert rows.collect().height == 53
    assert bucket_world.lake.raw_events.snapshot().version == snapshot.version + 1
    assert "ExpiredToken" not in {request.fault for request in faulty.requests()}


def test_the_keys_of_a_role_are_asked_for_once_for_all_tables(
    bucket_world: BucketWorld, faulty: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ECS answers some dozens of requests at a time, and a lake has a hundred tables."""
    of_a_role(faulty, monkeypatch, 3600)
    lake = bucket_world.lake
    for _ in range(10):
        lake.raw_events.snapshot()
    key_requests = [request for request in faulty.requests() if request.path.endswith("credentials")]
    # By what opens the lake, when it looks what kind they are and where S3 is, and once for the tables.
    assert 1 <= len(key_requests) <= 3


def test_credentials_that_have_expired_are_told_and_shown_nowhere(
    bucket_world: BucketWorld, faulty: FaultyS3, tmp_path: Path
) -> None:
    """S3 repeats the token in what it answers; it is neither in the output nor in what Dagster keeps."""
    land_some(bucket_world)
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    shutil.copy(PROJECT / ".dagster" / "dagster.yaml", home)
    settings = {**bucket_world.variables(), "DAGSTER_HOME": str(home), "AWS_MAX_ATTEMPTS": "2"}
    faulty.set(Rule("GET|PUT", r"\.parquet", "ExpiredToken", times=None, after=2))
    process = start(settings, "run")
    output, _ = process.communicate(timeout=300)
    assert process.returncode, output
    assert "ExpiredToken: The provided token has expired. Renew the credentials: `aws sso login`" in " ".join(
        output.split()
    )
    stored = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"Renew the credentials" in stored
    for secret in (SECRET_KEY, SESSION_TOKEN, "a-token-that-expired"):
        assert secret not in output
        assert secret.encode() not in stored

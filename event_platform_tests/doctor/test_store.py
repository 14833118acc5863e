"""Landing and the lake: in a bucket, in a folder, and where something is in the way."""

import json
import os
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from event_platform.doctor.finding import Finding, Verdict
from event_platform.doctor.layout import check_layout
from event_platform.doctor.names import check_names
from event_platform.doctor.store import (
    check_bucket,
    check_clock,
    check_conditional_put,
    check_credentials,
    check_folder,
    check_reading,
    check_writing,
    s3_client,
)
from event_platform.landing.folder import FolderLanding
from event_platform.storage.bucket import BucketStore
from event_platform.storage.clients import IMPATIENT
from event_platform.storage.folder import FolderStore
from event_platform.storage.opening import find_options
from event_platform_tests.doctor.answering import answering
from event_platform_tests.support.s3 import ACCESS_KEY, REGION, SECRET_KEY, SESSION_TOKEN, use_s3
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event, gzipped, ndjson

URI = "s3://no-such-bucket/lake"
OF_A_BUCKET: list[Callable[[BucketStore], Finding]] = [check_reading, check_writing, check_conditional_put]


def store(uri: str = URI) -> BucketStore:
    """Return a bucket as doctor opens it."""
    return BucketStore(uri, find_options(uri), IMPATIENT)


def test_a_bucket_that_may_be_used_is_well(bucket: str) -> None:
    """It can be listed, read and written; only the probe of every first run remains."""
    landing, lake, s3 = store(f"s3://{bucket}/landing"), store(f"s3://{bucket}/lake"), s3_client()
    assert check_bucket("lake", lake.root, s3, REGION).verdict is Verdict.GOOD
    assert "no object to read yet" in check_reading(landing).found
    s3.put_object(Bucket=bucket, Key="landing/2025/06/02/12/a", Body=b"{}")
    assert check_reading(landing).found.endswith("and 2025/06/02/12/a read")
    assert check_writing(lake).verdict is Verdict.GOOD
    assert check_conditional_put(lake).verdict is Verdict.GOOD
    keys = {content["Key"] for content in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert keys == {"landing/2025/06/02/12/a", "lake/_conditional_put"}


def test_who_asks_is_told_and_no_secret(bucket: str) -> None:
    """By the name that STS gives, with where the credentials come from."""
    finding = check_credentials()
    assert finding.verdict is Verdict.GOOD
    assert finding.found.startswith("arn:aws:")
    assert finding.found.endswith("from env")
    assert not {ACCESS_KEY, SECRET_KEY, SESSION_TOKEN} & set(finding.found.replace(",", " ").split())


def test_credentials_that_are_missing_or_have_run_out_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With how to get new ones."""
    assert check_credentials().found == "none found"
    with answering(403, "ExpiredToken") as endpoint:
        use_s3(monkeypatch, endpoint)
        finding = check_credentials()
    assert (finding.verdict, finding.found) == (Verdict.BAD, "from env: ExpiredToken: Not today")
    assert finding.remedy == "get new ones, such as with aws sso login"
    finding = check_credentials()  # that server is gone: in a closed network STS may be out of reach, and is not needed
    assert finding.verdict is Verdict.LEFT_OUT
    assert "Could not connect" in finding.found


def test_a_bucket_that_is_not_there_or_in_another_region_is_told(bucket: str) -> None:
    """With its actual region, or the variable that sets it."""
    s3 = s3_client()
    finding = check_bucket("landing", "s3://no-such-bucket/x", s3, REGION)
    assert (finding.found, finding.remedy) == (
        "no-such-bucket: no such bucket",
        "create it, or correct EVENT_PLATFORM_LANDING",
    )
    finding = check_bucket("lake", f"s3://{bucket}/x", s3, "us-west-2")
    assert finding.found == f"bucket {bucket} is in {REGION}, but the region is set to us-west-2"
    assert finding.remedy == f"set AWS_REGION={REGION}"
    for check in OF_A_BUCKET:
        assert check(store()).remedy == "create the bucket, or correct EVENT_PLATFORM_LANDING or EVENT_PLATFORM_LAKE"


def test_what_is_not_allowed_is_told_with_the_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by its name."""
    with answering(403, "AccessDenied") as endpoint:
        use_s3(monkeypatch, endpoint)
        s3 = s3_client()
        remedies = [check(store()).remedy for check in OF_A_BUCKET]
        remedies.append(check_bucket("lake", URI, s3, REGION).remedy)
    assert [re.sub(r"/_\S+,|,.*", "", remedy) for remedy in remedies] == [
        "grant s3:ListBucket on arn:aws:s3:::no-such-bucket",
        "grant s3:PutObject on arn:aws:s3:::no-such-bucket/lake and kms:Decrypt where a key of KMS encrypts it",
        "grant s3:PutObject on arn:aws:s3:::no-such-bucket/lake and kms:Decrypt where a key of KMS encrypts it",
        "allow s3:ListBucket on the bucket",
    ]


def test_a_bucket_that_redirects_to_its_region_is_told_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As S3 itself answers."""
    with answering(400, "AuthorizationHeaderMalformed", {"x-amz-bucket-region": "eu-west-1"}) as endpoint:
        use_s3(monkeypatch, endpoint)
        assert check_bucket("lake", URI, s3_client(), REGION).remedy == "set AWS_REGION=eu-west-1"


def test_a_store_that_takes_a_second_put_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would lose commits."""
    with answering(200, "", {"ETag": '"any"'}) as endpoint:
        use_s3(monkeypatch, endpoint)
        assert "ignores If-None-Match" in check_conditional_put(store()).found


def test_a_store_that_is_not_there_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens."""
    with answering(200, "") as endpoint:
        pass
    use_s3(monkeypatch, endpoint)
    found = [check(store()) for check in (check_reading, check_writing)]
    assert all(each.verdict is Verdict.BAD for each in found)
    assert all(each.remedy.startswith("tried 2 times; check the network") for each in found)
    assert check_clock(endpoint).verdict is Verdict.LEFT_OUT


@pytest.mark.parametrize(
    ("seconds", "verdict", "told"),
    [
        (0, Verdict.GOOD, "0 seconds "),
        (-200, Verdict.GOOD, "200 seconds ahead of "),
        (400, Verdict.BAD, "400 seconds behind "),
        (1200, Verdict.BAD, "which refuses every request"),
    ],
)
def test_a_clock_that_is_off_is_told(seconds: int, verdict: Verdict, told: str) -> None:
    """By the store's clock, even if it denies access."""
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    date = format_datetime(now + timedelta(seconds=seconds), usegmt=True)
    with answering(403, "AccessDenied", {"Date": date}) as endpoint:
        finding = check_clock(endpoint, now.timestamp())
    assert finding.verdict is verdict
    assert told in finding.found


def test_folders_are_looked_at_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Landing has to be there; the lake is made by the first run, and has to be writable."""
    assert check_folder("landing", tmp_path / "no", written=False).found.endswith("no such folder")
    assert check_folder("lake", tmp_path / "no" / "lake", written=True).found.endswith("created by the first run")
    assert list(tmp_path.iterdir()) == []

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    finding = check_folder("lake", tmp_path, written=True)
    assert (finding.verdict, finding.found) == (Verdict.BAD, f"{tmp_path}: Permission denied")


def landing_found(world: World) -> list[Finding]:
    """Return what is found of the landing folder of a world."""
    return check_layout(FolderStore(world.root / "landing"))


def test_the_newest_object_is_found_by_its_path(world: World) -> None:
    """And looked into: a record a line, or one after the other."""
    assert landing_found(world)[0].verdict is Verdict.LEFT_OUT
    world.deliver(MONDAY, "old", event("u1"), hour=23)
    newest = world.deliver(TUESDAY, "new.gz", event("u2"), event("u3"), hour=5)
    os.utime(newest, (time.time() - 7200, time.time() - 7200))
    layout, records = landing_found(world)
    assert layout.found == "yyyy/MM/dd/HH; the newest object landed 2 hours ago: 2025/06/03/05/new.gz"
    assert records.found == "JSON objects, one per line"
    world.deliver_bytes(TUESDAY, "joined.gz", gzipped(ndjson(event("u4"), event("u5")).replace(b"\n", b"")), hour=6)
    assert landing_found(world)[1].found.startswith("JSON objects without newlines")
    world.deliver_bytes(TUESDAY, "lines", json.dumps(event("u4", plan="x"), indent=1).encode(), hour=6)
    (world.root / "landing/2025/06/03/06/joined.gz").unlink()
    assert landing_found(world)[1].found == "JSON objects, each over several lines"
    world.deliver_bytes(TUESDAY, "broken.gz", gzipped(ndjson(event("u6")))[:-9], hour=7)
    world.deliver_bytes(TUESDAY, "_hidden", b"x", hour=8)
    assert landing_found(world)[0].found == "yyyy/MM/dd/HH; the newest folder is 2025/06/03/08/"
    (world.root / "landing/2025/06/03/08/_hidden").rename(world.root / "landing/2025/06/03/08/text")
    assert landing_found(world)[1].found == "2025/06/03/08/text: its first record is not a JSON object"
    (world.root / "landing/2025/06/03/08/text").unlink()
    (world.root / "landing/2025/06/03/08").rmdir()
    assert "gzip" in landing_found(world)[1].found


def test_paths_without_dates_are_told_with_firehoses_prefix(world: World, bucket: str) -> None:
    """On S3 as in a folder."""
    s3 = s3_client()
    landing = store(f"s3://{bucket}/landing")
    for name in ("year=2025/month=06/a", "flat"):
        s3.put_object(Bucket=bucket, Key=f"landing/{name}", Body=b"{}")
    (finding,) = check_layout(landing)
    assert (finding.verdict, finding.found) == (Verdict.BAD, "no date (yyyy/MM/dd) in the path of flat")
    assert "!{timestamp:yyyy/MM/dd/HH}/" in finding.remedy
    s3.put_object(Bucket=bucket, Key="landing/2025/06/02/12/a", Body=ndjson(event("u1")))
    layout, records = check_layout(landing)
    assert layout.found.endswith("ago: 2025/06/02/12/a")
    assert records.verdict is Verdict.GOOD
    world.deliver_bytes(MONDAY, "a", b"{}").rename(world.root / "landing" / "2025" / "a")
    assert landing_found(world)[0].verdict is Verdict.GOOD  # an empty hour is an hour


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("tenant=b/year=2025/month=10/day=2/hour=7/new", "year=yyyy/month=MM/day=dd/HH; the newest object landed"),
        ("tenant=a/dt=2025-06-02/new", "dt=yyyy-MM-dd, without hours: gaps within a day are not detected; the newest"),
        ("AWSLogs/1/CloudTrail/eu-west-1/2025/06/02/new", "yyyy/MM/dd, without hours: gaps within a day are not"),
    ],
)
def test_the_newest_object_is_found_in_each_layout(world: World, name: str, found: str) -> None:
    """With any folders before the date, the latest day by its number; a folder without dates leads nowhere."""
    old = name.replace("month=10", "month=9").replace("06", "05").replace("new", "old")
    for each in (name, old, "zone/a"):
        path = world.root / "landing" / each
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(ndjson(event("u1")))
    layout, records = landing_found(world)
    assert layout.found.startswith(found)
    assert layout.found.endswith(f" ago: {name}")
    assert records.verdict is Verdict.GOOD


def test_names_that_cannot_be_loaded_are_bad_and_hidden_ones_are_counted(world: World) -> None:
    """A link out of landing, and a name that is not UTF-8; neither exists on S3."""
    landing = FolderLanding(world.root / "landing")
    assert check_names(landing) == Finding("landing names", Verdict.GOOD, "0 objects; all can be loaded")
    folder = world.deliver(MONDAY, "a", event("u1")).parent
    world.deliver(MONDAY, "_b", event("u2"))
    finding = check_names(landing)
    assert (finding.verdict, finding.found[:28]) == (Verdict.GOOD, "1 objects; all can be loaded")
    assert "1 hidden object, such as 2025/06/02/12/_b" in finding.found
    (world.root / "landing/undated").write_bytes(b"{}")
    assert "1 object without a date in the path, such as undated" in check_names(landing).found
    (world.root / "landing/undated").unlink()
    (folder / "out").symlink_to("/etc")
    (folder / os.fsdecode(b"\xe9")).mkdir()
    finding = check_names(landing)
    assert finding.verdict is Verdict.BAD
    assert finding.found.startswith(f"2 files or folders are not loaded, such as {folder}/")
    missing = check_names(FolderLanding(world.root / "nowhere"))
    assert (missing.verdict, "no such folder" in missing.found) == (Verdict.LEFT_OUT, True)

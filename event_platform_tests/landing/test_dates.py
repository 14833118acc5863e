"""Dates in the paths of landing: every form, time zones, what a listing costs, and what an upgrade leaves as it was."""

import os
import pickle
import re
from collections.abc import Iterator
from datetime import UTC, date, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from event_platform.lake.ledger import deliveries
from event_platform.landing import dates, landing
from event_platform.landing.bucket import _CACHE, BucketLanding
from event_platform.landing.dates import arrival_date_in, date_in, is_past
from event_platform.landing.folder import FolderLanding
from event_platform.landing.landing import Landing
from event_platform.landing.omissions import Omissions
from event_platform.pipeline.opening import open_landing
from event_platform_tests.support.faulty_s3 import faulty_s3
from event_platform_tests.support.listings import Listings
from event_platform_tests.support.s3 import put, use_s3
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event, ndjson, noon

SUNDAY = MONDAY - timedelta(days=1)
BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")

LAYOUTS = {
    "2025/06/02/a": MONDAY,
    "2025/06/02/12/a": MONDAY,
    "tenant=acme/2025/06/02/12/a": MONDAY,
    "AWSLogs/123/CloudTrail/eu-west-1/2025/06/02/a.json.gz": MONDAY,
    "year=2025/month=06/day=02/a": MONDAY,
    "year=2025/month=6/day=2/hour=7/a": MONDAY,
    "tenant=acme/year=2025/month=06/day=02/hour=12/a": MONDAY,
    "dt=2025-06-02/a": MONDAY,
    "dt=20250602/a": MONDAY,
    "date=2025-06-02/hour=12/a": MONDAY,
    "events/date=20250602/12/a": MONDAY,
    "tenant=acme/dt=2025-06-02/source=app/a": MONDAY,
    "dt=2025-06-02/2025/06/03/a": MONDAY,
    "2025/06/02/dt=2025-06-03/a": MONDAY,
    "year=2025/2025/06/02/a": MONDAY,
}
UNDATED = [
    "a",
    "dt=2025-06-02",
    "dt=2025-0602/a",
    "dt=2025-06-31/a",
    "year=2025/month=6/a",
    "year=2025/month=13/day=1/a",
    "month=06/day=02/a",
    "update=2025-06-02/a",
    "1234/56/a",
    "users/1234/a",
]

#: Those that can be files beside the folders of LAYOUTS.
UNDATED_FILES = [name for name in UNDATED if name != "dt=2025-06-02"]


@pytest.mark.parametrize(("path", "day"), [*LAYOUTS.items(), *((path, None) for path in UNDATED)])
def test_the_first_date_in_a_path_is_the_day_of_arrival(path: str, day: date | None) -> None:
    """In each form, with any folders before and behind it."""
    assert arrival_date_in(path, UTC) == day


@pytest.mark.parametrize(
    ("path", "zone", "day"),
    [
        ("2025/06/02/01/a", BERLIN, SUNDAY),
        ("2025/06/02/02/a", BERLIN, MONDAY),
        ("2025/01/02/00/a", BERLIN, date(2025, 1, 1)),
        ("2025/01/02/01/a", BERLIN, date(2025, 1, 2)),
        ("2025/06/02/a", BERLIN, MONDAY),
        ("dt=2025-06-02/hour=0/a", BERLIN, SUNDAY),
        ("2025/06/02/19/a", NEW_YORK, MONDAY),
        ("2025/06/02/20/a", NEW_YORK, TUESDAY),
        ("9999/12/31/23/a", NEW_YORK, date(9999, 12, 31)),
        ("2025/06/02/24/a", BERLIN, MONDAY),
    ],
)
def test_an_hour_of_another_time_zone_is_of_the_day_that_it_is_in_utc(path: str, zone: tzinfo, day: date) -> None:
    """A path without an hour keeps its day."""
    assert arrival_date_in(path, zone) == day


@pytest.mark.parametrize(
    ("path", "is_one"),
    [("t/2024", True), ("t/2025", False), ("t/2025/05", False), ("t/2025/04", True), ("2024", False)],
)
def test_folders_of_past_months_below_others_are_remembered(path: str, is_one: bool) -> None:
    """Not the month before this one: what is late may still land in it."""
    assert is_past(path, MONDAY) is is_one


@pytest.fixture(params=["folder", "s3"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Landing:
    """A landing zone of all layouts, in a folder and on S3."""
    names = [
        *LAYOUTS,
        *(name for name in UNDATED if name != "dt=2025-06-02"),
        "tenant=b/2025/06/03/a",
        "dt=2025-06-03/a",
    ]
    if request.param == "s3":
        bucket = request.getfixturevalue("bucket")
        for name in names:
            put(bucket, f"in/{name}", b"{}")
        return open_landing(f"s3://{bucket}/in")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"{}")
    return FolderLanding(tmp_path)


def test_a_day_is_listed_in_all_layouts_each_object_once(filled: Landing) -> None:
    """And what has no date with any day."""
    assert sorted(landed.name for landed in filled.list_objects([MONDAY])) == sorted([*LAYOUTS, *UNDATED_FILES])
    omissions = Omissions()
    assert len([*filled.list_objects(None, omissions)]) == len(LAYOUTS) + len(UNDATED_FILES) + 2
    assert omissions.undated == set(UNDATED_FILES)
    survey = filled.survey(Omissions())
    assert sorted(survey.days) == [MONDAY, TUESDAY]
    (listed,) = filled.list_days([TUESDAY], Omissions(), survey)
    assert sorted(each.name for each in listed[1]) == ["dt=2025-06-03/a", "tenant=b/2025/06/03/a"]


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK], ids=str)
def test_a_day_of_another_time_zone_is_in_the_folders_of_two(tmp_path: Path, bucket: str, zone: tzinfo) -> None:
    """Each object is listed with its own day, in whatever range."""
    names = [f"{day:%Y/%m/%d}/{hour:02d}/a" for day in (SUNDAY, MONDAY, TUESDAY) for hour in range(24)]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"{}")
        put(bucket, f"in/{name}", b"{}")
    days = [SUNDAY + timedelta(days=offset) for offset in range(-2, 5)]
    for opened_landing in (FolderLanding(tmp_path, zone), open_landing(f"s3://{bucket}/in", str(zone))):
        names_by_day = {
            day: [each.name for each in objects] for day, objects in opened_landing.list_days(days, Omissions())
        }
        assert sorted(name for each in names_by_day.values() for name in each) == names
        assert len(names_by_day[MONDAY]) == 24
        assert {arrival_date_in(name, zone) for name in names_by_day[MONDAY]} == {MONDAY}
        assert sorted(landed.name for landed in opened_landing.list_objects([MONDAY])) == sorted(names_by_day[MONDAY])


@pytest.fixture
def listings(bucket: str, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listings]:
    """The requests that list, with the AWS variables set so that they are counted."""
    _CACHE.clear()
    with faulty_s3(s3_endpoint) as proxy:
        use_s3(monkeypatch, proxy.endpoint)
        yield Listings(proxy)


def test_folders_before_the_date_cost_a_request_for_each_year_and_month(
    bucket: str, listings: Listings, today: date
) -> None:
    """Whoever looks often asks again only for those that are not past; a day is a request for each of its folders."""
    for tenant in "abc":
        for day in ("2023/01/05", "2023/01/06", "2023/02/01", f"{today:%Y/%m/%d}"):
            put(bucket, f"in/tenant={tenant}/{day}/a", b"{}")
    landing = open_landing(f"s3://{bucket}/in")
    of_years = [f"tenant={tenant}/{path}" for tenant in "abc" for path in ("2023/", "2023/01/", "2023/02/")]
    recent = [f"tenant={tenant}/{path}" for tenant in "abc" for path in ("", f"{today:%Y}/", f"{today:%Y/%m}/")]
    for _ in range(2):
        survey = landing.survey(Omissions())
        assert (len(survey.days), survey.outside) == (4, [])
        assert sorted(listings.made()) == sorted(["", *of_years, *recent])
    for listed_folders in ([*of_years, *recent], recent):
        assert landing.survey(Omissions(), often=True).folders == survey.folders
        assert sorted(listings.made()) == sorted(["", *listed_folders])
    ((_, objects),) = landing.list_days([today], Omissions(), survey)
    assert len(objects) == 3
    assert sorted(listings.made()) == [f"tenant={tenant}/{today:%Y/%m/%d}/" for tenant in "abc"]


def test_folders_that_lead_to_no_day_are_listed_as_a_whole(bucket: str, listings: Listings) -> None:
    """Not by a request for each of them, also beside folders that lead to days."""
    for number in range(30):
        put(bucket, f"in/users/{number:04d}/profile/a", b"{}")
    landing = open_landing(f"s3://{bucket}/in")
    for days in (0, 1):
        if days:
            put(bucket, "in/events/2025/06/02/a", b"{}")
        survey = landing.survey(Omissions())
        assert (len(survey.outside), len(survey.days)) == (30, days)
        assert len(listings.made()) < 15


def test_days_of_one_folder_are_listed_together(bucket: str, listings: Listings) -> None:
    """As those of a month, in whatever layout, if the order of their names is that of the days."""
    for day in range(1, 10):
        put(bucket, f"in/dt=2025-06-{day:02d}/a", b"{}")
        put(bucket, f"in/logs/year=2025/month=7/day={day}/a", b"{}")
    landing = open_landing(f"s3://{bucket}/in")
    survey = landing.survey(Omissions())
    listings.made()
    june, july = ([day for day in survey.days if day.month == month] for month in (6, 7))
    assert [len(objects) for _, objects in landing.list_days(june, Omissions(), survey)] == [1] * 9
    assert listings.made() == [""]
    put(bucket, "in/logs/year=2025/month=7/day=10/a", b"{}")
    survey = landing.survey(Omissions())
    listings.made()
    assert [len(objects) for _, objects in landing.list_days([*july, date(2025, 7, 10)], Omissions(), survey)] == [
        1
    ] * 10
    assert len(listings.made()) == 10


def land(world: World, name: str, *uuids: str, modified: date = MONDAY) -> None:
    """Land an object that was last modified on a day."""
    path = world.root / "landing" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(ndjson(*(event(uuid, MONDAY) for uuid in uuids)))
    os.utime(path, (noon(modified), noon(modified)))


NAMES = ["dt=2025-06-02/a", "tenant=acme/year=2025/month=06/day=02/a", "dt=2025-06-02/2025/06/03/a"]


@pytest.fixture
def upgraded(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world where objects were loaded by a version that knew yyyy/MM/dd alone; they count for Tuesday."""
    for name in NAMES:
        land(world, name, f"u-{name}", modified=TUESDAY)

    def of_old(path: str, _: tzinfo) -> date | None:
        match = re.search("(?:^|/)([0-9]{4})/([0-9]{2})/([0-9]{2})/", path)
        return date(*map(int, match.groups())) if match else None

    with monkeypatch.context() as old:
        old.setattr(landing, "arrival_date_in", of_old)
        old.setattr(dates, "folder_kind", lambda _: dates.FolderKind.OTHER)
        old.setattr("event_platform.landing.folder.folder_kind", lambda _: dates.FolderKind.OTHER)
        old.setattr("event_platform.lake.ledger.arrival_date_in", of_old)
        assert {landed.arrival_date for landed in world.landing.list_objects()} == {TUESDAY}
        world.load(TUESDAY)
    assert world.raw().height == 3
    return world


@pytest.mark.parametrize("dates", [None, [MONDAY], [TUESDAY], [SUNDAY, MONDAY, TUESDAY]])
def test_what_is_loaded_under_another_date_is_not_loaded_again(upgraded: World, dates: list[date] | None) -> None:
    """The ledger has it under the day on which it was last modified; now its path says another one."""
    assert {landed.arrival_date for landed in upgraded.landing.list_objects()} == {MONDAY}
    assert deliveries(upgraded.lake.raw_events.snapshot(), upgraded.landing, dates).due == []
    if dates is not None:
        upgraded.load(*dates)
        assert sorted(upgraded.raw()["source_object"]) == sorted(NAMES)
        assert upgraded.raw()["arrival_date"].unique().to_list() == [TUESDAY]


def test_what_changes_under_another_date_replaces_its_own_rows(upgraded: World) -> None:
    """On the day on which the ledger has it, which a run of that day finds; what is new goes by its path."""
    land(upgraded, NAMES[0], "changed", "more", modified=TUESDAY + timedelta(days=1))
    land(upgraded, "dt=2025-06-02/b", "new", modified=TUESDAY)
    delivery = deliveries(upgraded.lake.raw_events.snapshot(), upgraded.landing, None)
    assert {each.name: each.arrival_date for each in delivery.due} == {NAMES[0]: TUESDAY, "dt=2025-06-02/b": MONDAY}
    upgraded.load(TUESDAY)
    upgraded.load(MONDAY)
    raw = upgraded.raw().sort("event_uuid")
    assert raw["event_uuid"].to_list() == sorted(["changed", "more", "new", *(f"u-{name}" for name in NAMES[1:])])
    assert raw.filter(raw["source_object"] == "dt=2025-06-02/b")["arrival_date"].to_list() == [MONDAY]
    assert deliveries(upgraded.lake.raw_events.snapshot(), upgraded.landing, None).due == []


def test_a_replay_of_the_day_in_the_ledger_reads_it_again(upgraded: World) -> None:
    """Though its folder is another day's now."""
    reports = upgraded.load(TUESDAY, replay=True)
    assert reports[TUESDAY].replaced_objects == 3
    assert upgraded.raw().height == 3


def test_another_time_zone_doubles_nothing(world: World) -> None:
    """Neither when it is set, nor when it is taken back: an object keeps the day on which it was first seen."""
    for step, zone in enumerate((UTC, BERLIN, NEW_YORK, UTC)):
        world.zone = zone
        for hour in (0, 12, 23):
            land(world, f"2025/06/02/{hour:02d}/{step}", f"u{hour}-{step}")
        world.load(SUNDAY, MONDAY, TUESDAY)
        assert world.raw()["source_object"].is_unique().all()
        assert deliveries(world.lake.raw_events.snapshot(), world.landing, None).due == []
    days = dict(world.raw().select("source_object", "arrival_date").iter_rows())
    assert days == {
        f"2025/06/02/{hour:02d}/{step}": day
        for step, of_hours in enumerate(
            [(MONDAY, MONDAY, MONDAY), (SUNDAY, MONDAY, MONDAY), (MONDAY, MONDAY, TUESDAY), (MONDAY, MONDAY, MONDAY)]
        )
        for hour, day in zip((0, 12, 23), of_hours, strict=True)
    }


def test_the_days_of_a_bucket_are_pickled_with_its_time_zone() -> None:
    """Tasks on other machines read the same days."""
    landing = open_landing("gs://bucket/in", "Europe/Berlin")
    assert isinstance(landing, BucketLanding)
    assert pickle.loads(pickle.dumps(landing.zone)) is BERLIN  # noqa: S301 - our own
    assert pickle.loads(pickle.dumps(UTC)) is UTC  # noqa: S301 - our own
    assert date_in("2025/06/02/a") is not None


@pytest.mark.parametrize(("zone", "label"), [(UTC, "2025-06-02 12:00"), (BERLIN, "2025-06-02")], ids=str)
def test_the_report_has_hours_of_arrival_where_they_are_those_of_utc(world: World, zone: tzinfo, label: str) -> None:
    """Elsewhere the days alone: the hour of a folder is another one there."""
    world.zone = zone
    land(world, "2025/06/02/12/a", "u1")
    world.build(MONDAY)
    figures = world.report(MONDAY)[MONDAY].figures
    assert figures.filter(figures["figure"] == "arrivals")["label"].to_list() == [label]

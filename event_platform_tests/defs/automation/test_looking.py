"""Which days of landing a tick lists, and what that costs, on S3 and in a folder."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest

from event_platform.defs.automation import looking
from event_platform.defs.automation.looking import Look, Position, as_cursor, look, look_at, position_in
from event_platform.events.errors import LandingError
from event_platform.lake import file_figures
from event_platform.landing.folder import FolderLanding
from event_platform.landing.landing import LandedObject, Landing, Survey
from event_platform.landing.omissions import Omissions
from event_platform.pipeline.opening import open_landing
from event_platform_tests.support.faulty_s3 import FaultyS3
from event_platform_tests.support.listings import Listings
from event_platform_tests.support.s3 import KEYS_ON_A_PAGE, put, use_s3
from event_platform_tests.support.world import World, event

TODAY, FIRST = date(2025, 6, 30), date(2017, 7, 1)


@pytest.fixture
def listings(bucket: str, proxy: FaultyS3, monkeypatch: pytest.MonkeyPatch) -> Listings:
    """The number of listing requests, with the AWS variables set so that they are counted."""
    monkeypatch.setattr("event_platform.storage.bucket._PAGE", KEYS_ON_A_PAGE)
    use_s3(monkeypatch, proxy.endpoint)
    return Listings(proxy)


@pytest.fixture(params=["folder", "s3"])
def landing(request: pytest.FixtureRequest, world: World) -> tuple[Landing, Callable[[str], None]]:
    """An empty landing zone, and how something lands in it."""
    if request.param == "s3":
        bucket = request.getfixturevalue("bucket")
        return open_landing(f"s3://{bucket}/in"), lambda name: put(bucket, f"in/{name}", b"{}")

    def write(name: str) -> None:
        path = world.root / "landing" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}")

    return world.landing, write


def at(world: World, landing: Landing, position: Position = Position(), **also: set[date]) -> Look:  # noqa: B008
    """Look as a tick does."""
    raw = world.lake.raw_events.snapshot()
    return look(raw, landing, position, also.get("also", set()), FIRST, TODAY)


def found(seen: Look) -> list[str]:
    """Return what is to be loaded."""
    return sorted(each.name for each in seen.delivery.due)


def test_a_look_finds_whatever_was_not_seen(world: World, landing: tuple[Landing, Callable[[str], None]]) -> None:
    """Of any day among the partitions, and beside the folders of days."""
    here, land = landing
    names = ["2017/07/01/00/a", "2017/07/03/a", "2024/02/29/a", "2025/06/30/23/a", "app/2020/01/01/a", "undated"]
    for name in [*names, "2017/06/30/too/early", "2025/07/01/too/late", "2025/06/31/no/day"]:
        land(name)
    seen = at(world, here)
    assert found(seen) == sorted([*names, "2025/06/31/no/day"])
    assert (seen.listed, seen.days) == (5, 5)
    assert seen.position.seen == frozenset()  # nothing is loaded yet


def test_a_day_that_was_seen_comes_in_turn_and_one_that_appears_at_once(
    world: World, landing: tuple[Landing, Callable[[str], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round covers all seen days, however many a tick lists; also days that disappear and come back."""
    monkeypatch.setattr(looking, "_SEEN_IN_A_TICK", 5)
    here, land = landing
    days = [date(2025, 5, 1) + timedelta(days=number) for number in range(9)]
    for day in days:
        land(f"{day:%Y/%m/%d}/a")
    known = Position(date.min, frozenset([*days, date(2025, 4, 1)]))
    rounds = list[list[str]]()
    for _ in range(4):
        seen = at(world, here, known)
        rounds.append(found(seen))
        known = Position(seen.position.turn, frozenset(days))
    assert [len(each) for each in rounds] == [3, 3, 3, 3]  # each counts for its object, and for itself
    assert sorted([*rounds[0], *rounds[1], *rounds[2]]) == [f"{day:%Y/%m/%d}/a" for day in days]
    assert rounds[3] == rounds[0]
    land("2025/04/01/back")
    gone = at(world, here, known).position
    assert date(2025, 4, 2) not in gone.seen
    land("2025/04/02/new")
    assert "2025/04/02/new" in found(at(world, here, known))
    assert "2025/05/09/a" in found(at(world, here, known, also={days[-1]}))


def test_a_tick_lists_fewer_days_where_each_has_many_folders(
    world: World, landing: tuple[Landing, Callable[[str], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each folder is a request, however little is in it."""
    monkeypatch.setattr(looking, "_SEEN_IN_A_TICK", 5_000)
    here, land = landing
    days = [date(2025, 5, 1) + timedelta(days=number) for number in range(6)]
    for day in days:
        for tenant in "abc":
            land(f"tenant={tenant}/{day:%Y/%m/%d}/a")
    seen = at(world, here, Position(date.min, frozenset(days)))
    assert found(seen) == sorted(f"tenant={tenant}/{day:%Y/%m/%d}/a" for tenant in "abc" for day in days[:3])
    assert (seen.listed, seen.days) == (3, 6)


def test_a_day_is_seen_when_nothing_on_it_is_left_to_be_loaded(world: World) -> None:
    """Until then every tick looks at it: a run may fail, or load a part."""
    days = [date(2025, 6, 1), date(2025, 6, 2), TODAY]
    for day in days:
        world.deliver(day, "a", event(f"{day}", day))
    world.load(days[0], days[2])
    seen = at(world, world.landing)
    assert found(seen) == ["2025/06/02/12/a"]
    assert seen.position.seen == frozenset([days[0], days[2]])
    world.load(days[1])
    assert at(world, world.landing, seen.position).position.seen == frozenset(days)


def test_days_that_were_not_seen_are_bounded_in_a_tick_and_go_on_in_the_next(
    world: World, landing: tuple[Landing, Callable[[str], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tick has a minute."""
    monkeypatch.setattr(looking, "_UNSEEN_IN_A_TICK", 4)
    here, land = landing
    names = [f"2018/01/{day:02d}/a" for day in range(1, 6)]
    for name in names:
        land(name)
    first = at(world, here)
    assert found(first) == names[:2]
    loaded = Position(first.position.turn, frozenset([date(2018, 1, 1), date(2018, 1, 2)]))
    assert found(at(world, here, loaded))[-2:] == names[2:4]


def test_only_days_that_hold_something_cost_a_request(world: World, bucket: str, listings: Listings) -> None:
    """One for the root, each year and each month; then one for each month that days are listed of."""
    for name in ("2017/07/01/a", "2017/07/15/a", "2017/07/31/b", "2020/01/01/c", f"{TODAY:%Y/%m/%d}/d"):
        put(bucket, f"in/{name}", b"{}")
    levels = ["", "2017/", "2020/", "2025/", "2017/07/", "2020/01/", "2025/06/"]
    assert len(found(at(world, open_landing(f"s3://{bucket}/in")))) == 5
    assert Counter(listings.made()) == Counter([*levels, "2017/07/", "2020/01/01/", "2025/06/30/"])
    days = frozenset(date.fromisoformat(day) for day in ("2017-07-01", "2017-07-15", "2017-07-31"))
    assert len(found(at(world, open_landing(f"s3://{bucket}/in"), Position(date(2017, 7, 1), days)))) == 5
    # The round goes on behind its last day, and from the beginning.
    assert Counter(listings.made()) == Counter([*levels, "2025/06/30/", "2020/01/01/", "2017/07/", "2017/07/01/"])


def test_days_of_a_month_are_listed_together_unless_others_are_between(bucket: str, listings: Listings) -> None:
    """A page has 20 objects here; each day gets its own, in order, whatever lies between and behind."""
    sizes = {1: 3, 2: 0, 3: 45, 4: 1, 5: 70, 6: 2, 7: 20, 30: 1}
    for day, size in sizes.items():
        for number in range(size):
            put(bucket, f"in/2025/06/{day:02d}/{number:02d}", b"{}")
    put(bucket, "in/2025/06/03", b"{}")
    put(bucket, "in/2025/06/04x", b"{}")
    here = open_landing(f"s3://{bucket}/in")

    def sizes_of(*days: int) -> dict[int, int]:
        omissions = Omissions()
        listed = here.list_days([date(2025, 6, day) for day in days], omissions)
        return {day.day: len([each.name for each in objects if f"/{day:%d}/" in each.name]) for day, objects in listed}

    assert sizes_of(*range(1, 31)) == {day: sizes.get(day, 0) for day in range(1, 31)}
    assert len(listings.made()) == 8  # 144 objects
    assert sizes_of(1, 4, 6) == {1: 3, 4: 1, 6: 2}
    assert len(listings.made()) == 3  # the 45 of the third day and the 70 of the fifth are passed over
    assert sizes_of(7) == {7: 20}
    assert sizes_of(8) == {8: 0}
    assert listings.made() == ["2025/06/07/", "2025/06/08/"]
    assert next(here.list_days([date(2025, 5, 1), date(2025, 6, 5)], Omissions()))[0] == date(2025, 5, 1)
    assert listings.made() == ["2025/05/01/"]  # whoever stops pays for no more


def test_to_look_at_a_day_is_one_request(world: World, bucket: str, listings: Listings) -> None:
    """However many other days there are, and where it has no folder yet."""
    for back in (0, 1, 2, 40, 400):
        put(bucket, f"in/{TODAY - timedelta(days=back):%Y/%m/%d}/12/a", b"{}")
    raw, here = world.lake.raw_events.snapshot(), open_landing(f"s3://{bucket}/in")
    days = [TODAY, TODAY + timedelta(days=1)]
    assert [[each.name for each in look_at(raw, here, day).due] for day in days] == [["2025/06/30/12/a"], []]
    assert listings.made() == ["2025/06/30/", "2025/07/01/"]


def test_a_listing_that_fails_is_no_look(world: World, bucket: str) -> None:
    """Nothing is taken for seen."""
    with pytest.raises(LandingError, match="NoSuchBucket"):
        at(world, open_landing(f"s3://{bucket}-wrong/in"))


def test_a_process_that_has_just_started_reads_the_ledger_of_few_days_in_a_tick(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day may have hundreds of millions of rows; what was read once costs nothing more."""
    days = [date(2025, 6, 1) + timedelta(days=number) for number in range(6)]
    for day in days:
        world.deliver(day, "a", *(event(f"{day}{number}", day) for number in range(5)))
    world.load(*days)
    monkeypatch.setattr(looking, "_LEDGER_ROWS", 1)
    monkeypatch.setattr(looking, "_SEEN_IN_A_TICK", 303)
    file_figures._CACHE.clear()
    position, listed = Position(seen=frozenset(days)), list[int]()
    for _ in range(6):
        seen = at(world, world.landing, position)
        position = seen.position
        listed.append(seen.listed)
    assert listed[:3] == [2, 2, 2]  # 1 object, 100 for the day, 50 for the file, 5 rows: 156 each
    assert listed[3:] == [3, 3, 3]  # 101 each
    assert position.seen == frozenset(days)


class Thousands(FolderLanding):
    """Two thousand days, each with as many objects as Firehose delivers in one."""

    def survey(self, omissions: Omissions, *, often: bool = False) -> Survey:  # noqa: ARG002
        """See Landing."""
        return Survey({TODAY - timedelta(days=back): [""] for back in range(2000)}, [])

    def _list_folders(
        self,
        folders: Mapping[date, Sequence[str]],
        omissions: Omissions,  # noqa: ARG002
    ) -> Iterator[tuple[date, list[LandedObject]]]:
        for day in folders:
            yield day, [LandedObject(f"{day:%Y/%m/%d}/{number}", 1, "e", day) for number in range(288)]


def test_a_round_over_two_thousand_days_takes_some_minutes(world: World) -> None:
    """And each of its ticks lists a bounded number of objects: some 30 requests on S3."""
    here, position = Thousands(Path("/nowhere")), Position()
    days = frozenset(here.survey(Omissions()).days)
    seen, rounds = set[date](), list[int]()
    while seen != days:
        tick = at(world, here, Position(position.turn, days))
        position = tick.position
        rounds.append(len(tick.delivery.due))
        seen |= {each.arrival_date for each in tick.delivery.due}
    assert max(rounds) < 31_000
    assert len(rounds) == 20  # ten minutes


@pytest.mark.parametrize("count", [0, 1, 2, 400])
def test_the_cursor_says_where_the_round_is_and_what_was_seen(count: int) -> None:
    """In stretches of days: a year is as short as a day."""
    days = frozenset(TODAY - timedelta(days=back) for back in range(count))
    known = Position(TODAY, days | {date(2017, 7, 1)})
    assert position_in(as_cursor(known)) == position_in(f"{as_cursor(known)} 1795640969") == known
    assert len(as_cursor(known)) < 50


@pytest.mark.parametrize(
    "cursor", [None, "", "x", "2025-06-01;x", "2025-06-01;2025-06-01/", ";2025-06-01", "1795640969"]
)
def test_a_cursor_that_makes_no_sense_is_ignored(cursor: str | None) -> None:
    """Every day is then looked at once more."""
    assert position_in(cursor) == Position()


def test_the_cursor_of_an_older_version_keeps_its_turn() -> None:
    """It has no list of seen days."""
    assert position_in("2025-06-01") == Position(date(2025, 6, 1))

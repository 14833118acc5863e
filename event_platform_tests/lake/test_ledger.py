"""raw_events is its own ledger: what of landing is new, changed or known is read off it."""

import os
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from event_platform.lake import file_figures
from event_platform.lake.files import DataFile
from event_platform.lake.footers import FileEnd, read_end
from event_platform.lake.ledger import Delivery, deliveries
from event_platform.storage.storage import Storage
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY, World, event

PATH = "2025/06/02/12/"


def compare(world: World, *dates: date) -> Delivery:
    """Compare landing with the ledger; without dates, all of it."""
    return deliveries(world.lake.raw_events.snapshot(), world.landing, dates or None)


def names(delivery: Delivery) -> tuple[list[str], list[str], list[str]]:
    """Return the names of what is due, changed and known."""
    due, changed, loaded = (
        sorted(landed.name.removeprefix(PATH) for landed in each)
        for each in (delivery.due, delivery.changed, delivery.loaded)
    )
    return due, changed, loaded


def test_before_anything_is_loaded_everything_is_due(world: World) -> None:
    """There is no table yet, and none is made by asking."""
    world.deliver(MONDAY, "a", event("u1"))
    world.deliver(TUESDAY, "b", event("u2"))
    assert names(compare(world, MONDAY)) == (["a"], [], [])
    assert len(compare(world).due) == 2
    assert not (world.root / "lake").exists()


def test_what_is_in_the_ledger_is_known_and_what_is_not_is_due(world: World) -> None:
    """An object that was not there when its day was loaded is late, not lost."""
    world.deliver(MONDAY, "a", event("u1"))
    world.load(MONDAY)
    world.deliver(MONDAY, "b", event("u2"))
    assert names(compare(world, MONDAY)) == (["b"], [], ["a"])


@pytest.mark.parametrize("content", [event("u1", plan="pro"), event("u9"), "{broken"])
def test_an_object_with_another_content_is_changed(world: World, content: dict[str, object] | str) -> None:
    """Of another size, or of the same."""
    world.deliver(MONDAY, "a", event("u1"))
    world.load(MONDAY)
    world.deliver(MONDAY, "a", content)
    assert names(compare(world, MONDAY)) == (["a"], ["a"], [])


def test_objects_without_a_record_are_remembered(world: World) -> None:
    """They leave no row to know them by: the log of the table remembers them, until they change."""
    world.deliver_bytes(MONDAY, "blank", b"\n\n")
    world.deliver(MONDAY, "nothing.gz")
    assert names(compare(world)) == (["blank", "nothing.gz"], [], [])
    world.load(MONDAY)
    assert world.raw().is_empty()
    assert names(compare(world)) == ([], [], ["blank", "nothing.gz"])
    world.deliver(MONDAY, "blank", event("u1"))
    assert names(compare(world)) == (["blank"], [], ["nothing.gz"])


def test_an_object_can_become_empty_and_full_again(world: World) -> None:
    """The ledger follows, and holds the records of its last form alone."""
    world.deliver(MONDAY, "a", event("u1"), event("u2"))
    world.load(MONDAY)
    world.deliver_bytes(MONDAY, "a", b"\n")
    world.load(MONDAY)
    assert world.raw().is_empty()
    assert names(compare(world)) == ([], [], ["a"])
    world.deliver(MONDAY, "a", event("u3"))
    assert names(compare(world)) == (["a"], [], [])
    world.load(MONDAY)
    assert world.raw()["event_uuid"].to_list() == ["u3"]


def test_an_object_without_a_date_keeps_the_day_on_which_it_was_first_seen(world: World) -> None:
    """Touched on Wednesday, it is a changed object of Monday: its records do not land twice."""
    path = world.root / "landing" / "export.json"
    path.write_text('{"event_uuid":"u1"}\n', encoding="utf-8")
    modify(world, MONDAY)
    world.load(MONDAY)
    modify(world, WEDNESDAY)
    assert names(compare(world, WEDNESDAY)) == ([], [], [])
    (landed,) = compare(world, MONDAY).changed
    assert landed.arrival_date == MONDAY
    world.load(MONDAY, TUESDAY, WEDNESDAY)
    assert world.raw()["arrival_date"].to_list() == [MONDAY]


def modify(world: World, day: date) -> None:
    """Set when the export was last modified."""
    moment = datetime(day.year, day.month, day.day, 9, tzinfo=UTC).timestamp()
    os.utime(world.root / "landing" / "export.json", (moment, moment))


def test_an_object_that_left_landing_stays_in_the_ledger(world: World) -> None:
    """Retention in landing is no deletion of events."""
    world.deliver(MONDAY, "a", event("u1")).unlink()
    path = world.deliver(MONDAY, "b", event("u2"))
    world.load(MONDAY)
    path.unlink()
    world.load(MONDAY)
    assert world.raw()["event_uuid"].to_list() == ["u2"]


def test_a_file_of_the_ledger_is_read_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sensor asks every few seconds: files are read again only if another process wrote them."""
    world.deliver(MONDAY, "a", event("u1"))
    world.load(MONDAY)
    (others,) = world.lake.raw_events.snapshot().files()
    file_figures._CACHE.clear()
    read: list[str] = []

    note_reads(monkeypatch, lambda file: read.append(file.uri))
    assert [each.name for each in compare(world, MONDAY).loaded] == ["2025/06/02/12/a"]
    world.deliver(MONDAY, "b", event("u2"))
    assert [each.name for each in compare(world, MONDAY).due] == ["2025/06/02/12/b"]
    world.load(MONDAY)
    assert len(compare(world, MONDAY).loaded) == 2
    assert len(compare(world, MONDAY, TUESDAY).loaded) == 2
    assert read == [others.uri]


def test_what_was_asked_for_longest_ago_is_forgotten_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The days of every tick are never read again."""
    for day in (MONDAY, TUESDAY, WEDNESDAY):
        world.deliver(day, "a", event(f"{day}", day))
    world.load(MONDAY, TUESDAY, WEDNESDAY)
    monkeypatch.setattr(file_figures, "_MOST_ROWS", 2 * file_figures._ROWS_OF_FRAME + 2)
    file_figures._CACHE.clear()
    read: list[date] = []

    note_reads(monkeypatch, lambda file: read.append(file.partition))
    for day in (MONDAY, TUESDAY, MONDAY, WEDNESDAY, MONDAY, TUESDAY):
        assert len(compare(world, day).loaded) == 1
    assert read == [MONDAY, TUESDAY, WEDNESDAY, TUESDAY]


def note_reads(monkeypatch: pytest.MonkeyPatch, note: Callable[[DataFile], None]) -> None:
    """Note each file of which the footer is read."""

    def noting(storage: Storage, file: DataFile) -> FileEnd:
        note(file)
        return read_end(storage, file)

    monkeypatch.setattr(file_figures, "read_end", noting)

"""A failing type is reported, whatever the failure; the others are built as without it."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import pytest
from click.testing import CliRunner

from event_platform.cli.main import main
from event_platform.events.payload import PayloadReader
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.table_commit import TableCommit
from event_platform.lake.tables import Table
from event_platform.pipeline.sizing import Sizing
from event_platform.pipeline.typing.report import TypingReport
from event_platform_tests.support.command import use
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event, write_catalog

STRING = {"type": "string"}


def panic(*_: Any, **__: Any) -> NoReturn:
    """Let a library of Rust panic: polars does, here."""
    pl.DataFrame({"bytes": [b"x"]}).write_json()
    raise AssertionError("polars writes bytes as JSON now: find another panic")


def catalog(world: World, **properties: Any) -> None:
    """Write the schemas of two types: `good`, and `bad` with these properties."""
    good = {"title": "good", "properties": {"x": {"type": "integer"}}}
    write_catalog(world.root / "catalog", {"good": good, "bad": {"title": "bad", "properties": properties}})


def land(world: World, day: Any, number: int, **payload: Any) -> None:
    """Land an event of each of the two types, and have it deduplicated."""
    world.deliver(
        day, f"{number}", event(f"g{number}", day, "good", x=number), event(f"b{number}", day, "bad") | payload
    )
    world.load(day)
    world.deduplicate(day)


@pytest.fixture
def world_of_two(world: World) -> World:
    """Two types, and an event of each in its table."""
    catalog(world, note=STRING)
    land(world, MONDAY, 1, note="a")
    assert failed(world.type(MONDAY)) == {}
    return world


def failed(reports: dict[str, TypingReport]) -> dict[str, str]:
    """Return the errors by type."""
    return {key: report.error for key, report in reports.items() if report.error}


def only_of(key: str, really: Callable[..., Any], instead: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does `instead` for the table (or type) `key`, which its first argument tells."""

    def function(first: Any, *arguments: Any, **options: Any) -> Any:
        snapshot = first._snapshot if isinstance(first, TableCommit) else first
        table = snapshot.table if isinstance(snapshot, Snapshot) else snapshot
        chosen = instead if table.name in (key, f"events/{key}") else really
        return chosen(first, *arguments, **options)

    return function


CHANGES = [
    pytest.param({"Key": STRING}, {"key": STRING}, "bad.key: the table has Key, .* x-column: Key", id="at the top"),
    pytest.param(
        {"o": {"type": "object", "properties": {"Key": STRING}}},
        {"o": {"type": "object", "properties": {"key": STRING}}},
        "bad.o.key: the table has Key, .* x-column: Key",
        id="in an object",
    ),
    pytest.param(
        {"l": {"type": "array", "items": {"type": "object", "properties": {"KEY": STRING, "b": STRING}}}},
        {"l": {"type": "array", "items": {"type": "object", "properties": {"key": STRING, "b": STRING}}}},
        "bad.l.key: the table has KEY, .* x-column: KEY",
        id="in a list",
    ),
]


@pytest.mark.parametrize(("before", "after", "message"), CHANGES)
def test_a_key_that_changes_its_case_is_an_error_of_its_type(
    world: World, before: dict[str, Any], after: dict[str, Any], message: str
) -> None:
    """It names the column and what to do; the other type is built."""
    catalog(world, **before)
    land(world, MONDAY, 1)
    world.type(MONDAY)
    catalog(world, **after)
    land(world, TUESDAY, 2)
    errors = failed(world.type(MONDAY, TUESDAY))
    assert list(errors) == ["bad"]
    assert re.search(message, errors["bad"])
    assert world.events("good")["x"].to_list() == [1, 2]


def test_what_the_error_says_to_do_about_the_case_works(world: World) -> None:
    """The new key's values are in the column that is there."""
    catalog(world, o={"type": "object", "properties": {"Key": STRING}})
    land(world, MONDAY, 1, o={"Key": "old"})
    world.type(MONDAY)
    catalog(world, o={"type": "object", "properties": {"key": {**STRING, "x-column": "Key"}}})
    land(world, TUESDAY, 2, o={"key": "new"})
    assert failed(world.type(TUESDAY)) == {}
    assert world.events("bad")["o"].to_list() == [{"Key": "old"}, {"Key": "new"}]


def test_a_run_names_the_type_whose_key_changed_its_case(world_of_two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And builds the other one; the process pool of a real run."""
    catalog(world_of_two, Note=STRING)
    world_of_two.deliver(TUESDAY, "2", event("g2", TUESDAY, "good", x=2), event("b2", TUESDAY, "bad", Note="b"))
    use(monkeypatch, world_of_two)
    result = CliRunner().invoke(main, ["run"])
    message = " ".join(result.output.split())
    assert result.exit_code == 1
    assert "1 of 6 assets failed: events/bad." in message
    assert "events/bad.Note: the table has note, and readers of Delta ignore case." in message
    assert world_of_two.events("good")["x"].to_list() == [1, 2]


@pytest.mark.parametrize("method", ["__init__", "read"])
def test_a_panic_while_a_type_is_read_is_its_own_failure(
    world_of_two: World, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Compiling its schema, or reading an event of it."""
    really = getattr(PayloadReader, method)

    def reading(reader: PayloadReader, first: Any, *arguments: Any) -> Any:
        name = first.name if method == "__init__" else reader._name
        return panic() if name == "bad" else really(reader, first, *arguments)

    monkeypatch.setattr(PayloadReader, method, reading)
    land(world_of_two, TUESDAY, 2)
    errors = failed(world_of_two.type(TUESDAY))
    assert list(errors) == ["bad"]
    assert "a library panicked: not yet implemented" in errors["bad"]
    assert world_of_two.events("good")["x"].to_list() == [1, 2]


@pytest.mark.parametrize("instead", [panic, lambda *_, **__: "\ud800".encode()], ids=["a panic", "another error"])
@pytest.mark.parametrize(
    ("owner", "method"), [(Table, "snapshot_to_write"), (TableCommit, "commit"), (Snapshot, "files")]
)
def test_whatever_goes_wrong_with_a_table_is_its_own_failure(
    world_of_two: World, monkeypatch: pytest.MonkeyPatch, owner: type, method: str, instead: Callable[..., Any]
) -> None:
    """Opening it, committing to it, or looking for files to compact."""
    land(world_of_two, TUESDAY, 2)
    land(world_of_two, MONDAY, 3)
    with monkeypatch.context() as patch:
        patch.setattr(owner, method, only_of("bad", getattr(owner, method), instead))
        errors = failed(world_of_two.type(MONDAY, TUESDAY))
    assert list(errors) == ["bad"]
    assert "a library panicked" in errors["bad"] or "surrogates not allowed" in errors["bad"]
    assert world_of_two.events("good")["x"].to_list() == [1, 2, 3]
    assert failed(world_of_two.type(MONDAY, TUESDAY)) == {}
    assert world_of_two.events("bad").height == 3


def test_an_error_of_the_storage_may_pass(world_of_two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step is then tried again; another error would come again."""

    def fail(*_: Any, **__: Any) -> NoReturn:
        raise OSError("connection reset")

    monkeypatch.setattr(TableCommit, "commit", only_of("bad", TableCommit.commit, fail))
    assert world_of_two.type(MONDAY)["bad"].transient
    monkeypatch.setattr(TableCommit, "commit", only_of("bad", TableCommit.commit, panic))
    assert not world_of_two.type(MONDAY)["bad"].transient


def test_small_files_that_cannot_be_compacted_are_a_failure_of_their_table(world_of_two: World) -> None:
    """One of them is damaged; the others are compacted."""
    world_of_two.sizing = Sizing(files_per_compaction=3, compaction_age=timedelta(hours=-1))  # all are old enough
    for number in (2, 3):
        land(world_of_two, MONDAY, number)
        world_of_two.type(MONDAY)
    (damaged, *_) = world_of_two.event_table("bad").snapshot().files([MONDAY])
    Path(damaged.uri).write_bytes(b"x" * damaged.size)  # of the size that the log says: nobody sees it before
    land(world_of_two, MONDAY, 4)
    errors = failed(world_of_two.type(MONDAY))
    assert list(errors) == ["bad"]
    assert "small files cannot be compacted" in errors["bad"]
    assert world_of_two.events("good")["x"].to_list() == [1, 2, 3, 4]
    assert len(world_of_two.event_table("good").snapshot().files([MONDAY])) == 2


def test_a_schema_with_half_a_character_is_a_fault_that_names_it(
    world_of_two: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is done, by the check and by the run in the same words."""
    broken = world_of_two.root / "catalog" / "broken.json"
    broken.write_text(json.dumps({"title": "broken", "description": "\ud800"}), encoding="utf-8")
    use(monkeypatch, world_of_two)
    for command, code in ((["run"], 2), (["catalog", "check"], 1)):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == code
        assert r"broken.json: description: '\ud800': half of a surrogate pair" in " ".join(result.output.split())

"""`catalog draft` and `catalog check`: nobody's file is lost, and what the check passes is what a run accepts."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from event_platform.cli.main import main
from event_platform.events.catalog import load_catalog
from event_platform.landing.folder import FolderLanding
from event_platform_tests.support.command import use
from event_platform_tests.support.world import MONDAY, World, event, write_catalog


@pytest.fixture
def home(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world that the environment variables name."""
    use(monkeypatch, world)
    return world


def call(*arguments: str, code: int = 0) -> str:
    """Return what `catalog` prints; it must end with `code`."""
    result = CliRunner().invoke(main, ["catalog", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def draft(folder: Path, *options: str, code: int = 0) -> str:
    """Return what `catalog draft` prints."""
    return call("draft", *options, str(folder), code=code)


def names_by_file(folder: Path) -> dict[str, str]:
    """Return the event name of each schema."""
    files = (path for path in folder.iterdir() if path.name != "envelope.yaml")
    return {path.name: yaml.safe_load(path.read_text(encoding="utf-8"))["title"] for path in files}


@pytest.mark.parametrize("options", [[], ["--force"]])
@pytest.mark.parametrize("name", ["envelope", "Envelope", "ENVELOPE"])
def test_an_event_named_envelope_has_a_schema_beside_the_envelope(home: World, name: str, options: list[str]) -> None:
    """Which is never written over, on a file system that does not tell case either."""
    home.deliver(MONDAY, "a", event("1", name=name, x=1) | {"id": "7"})
    folder = write_catalog(home.root / "drafted", {}, {"event_uuid": "id"})
    for _ in range(2):
        draft(folder, *options)
        assert (folder / "envelope.yaml").read_text(encoding="utf-8") == "event_uuid: id\n"
        assert names_by_file(folder) == {f"{name}-2.yaml": name}
    assert load_catalog(folder).names == {name}


@pytest.mark.parametrize("options", [[], ["--force"]])
def test_a_file_of_another_event_is_not_written_over(home: World, options: list[str]) -> None:
    """Whatever the file's name or its case; neither is a file that is no schema."""
    home.deliver(MONDAY, "a", event("1", name="a:b", x=1), event("2", name="c", x=1), event("3", name="d", x=1))
    mine = {"title": "mine", "properties": {"y": {"type": "string"}}}
    folder = write_catalog(home.root / "drafted", {"A_b": mine})
    (folder / "c.json").write_text(json.dumps({"title": "c", "x-owner": "team:mine"}), encoding="utf-8")
    before = (folder / "A_b.yaml").read_text(encoding="utf-8")
    draft(folder, *options)
    assert (folder / "A_b.yaml").read_text(encoding="utf-8") == before
    assert names_by_file(folder) == {"A_b.yaml": "mine", "a_b-2.yaml": "a:b", "c.json": "c", "d.yaml": "d"}
    assert (load_catalog(folder).by_key["c"].owner is None) == bool(options)


def test_a_schema_is_found_by_its_event_and_replaced_where_it_is(home: World) -> None:
    """Under the name, and in the form, that somebody gave it."""
    home.deliver(MONDAY, "a", event("1", name="a", x=1), event("2", name="b", x=1))
    folder = write_catalog(home.root / "drafted", {"first": {"title": "a"}})
    (folder / "second.json").write_text('{"title": "b"}', encoding="utf-8")
    assert "0 schemas written to" in draft(folder)
    assert "2 schemas written to" in draft(folder, "--force")
    assert names_by_file(folder) == {"first.yaml": "a", "second.json": "b"}
    assert [len(event_type.columns) for event_type in load_catalog(folder).event_types] == [1, 1]


def test_an_event_that_has_the_table_of_one_in_the_catalog_is_left_out(home: World) -> None:
    """Rather than that the catalog cannot be loaded any more."""
    home.deliver(MONDAY, "a", event("1", name="a.b"), event("2", name="a:b"))
    folder = write_catalog(home.root / "drafted", {"mine": {"title": "a:b"}})
    assert "a.b: has the same table as a:b (a_b); left out" in draft(folder, code=1)
    assert load_catalog(folder).names == {"a:b"}


def test_another_envelope_takes_the_place_of_one_only_by_force(home: World) -> None:
    """An equal envelope changes nothing."""
    home.deliver(MONDAY, "a", event("1", name="a") | {"id": "7"})
    folder = write_catalog(home.root / "drafted", {}, {"event_uuid": "event_uuid"})
    other = home.root / "other.yaml"
    other.write_text("event_uuid: id", encoding="utf-8")
    output = " ".join(draft(folder, "--envelope", str(other), code=2).split())
    assert "envelope.yaml: differs from" in output
    assert "--force replaces it" in output
    assert (folder / "envelope.yaml").read_text(encoding="utf-8") == "event_uuid: event_uuid\n"
    draft(folder, "--envelope", str(other), "--force")
    assert (folder / "envelope.yaml").read_text(encoding="utf-8") == "event_uuid: id"
    draft(folder, "--envelope", str(other))
    draft(folder, "--envelope", str(folder / "envelope.yaml"))


@pytest.mark.parametrize(
    "name", ["a" * 200, f"{'a' * 128}:{'b' * 71}", "_delta_log", "_", "__x", "$pageview", "购买", "[b]x</b>"]
)
def test_a_name_that_is_sound_is_drafted_accepted_and_built(home: World, name: str) -> None:
    """The rows are in a table that can be read by its name."""
    home.deliver(MONDAY, "a", event("1", name=name, x=1))
    folder = home.root / "drafted"
    draft(folder)
    assert "1 event type" in call("check", str(folder))
    drafted = World(home.root, schemas={}, envelope=None)
    for path in (home.root / "catalog").iterdir():
        path.unlink()
    for path in folder.iterdir():
        path.rename(home.root / "catalog" / path.name)
    drafted.build(MONDAY)
    (key,) = drafted.catalog.by_key
    assert drafted.lake.scan(f"events/{key}").collect()["x"].to_list() == [1]
    assert [table.name for table in drafted.lake.retired_tables([])] == [f"events/{key}"]


def test_a_schema_that_would_be_too_large_is_left_out(home: World) -> None:
    """And told: it could not be loaded."""
    wide = {f"{'k' * 200}{number}": 1 for number in range(3_000)}
    home.deliver(MONDAY, "a", event("1", name="wide") | wide, event("2", name="slim", x=1))
    folder = home.root / "drafted"
    assert "wide: its schema is larger than 1,048,576 bytes; left out" in " ".join(draft(folder, code=1).split())
    assert load_catalog(folder).names == {"slim"}


def test_a_path_is_no_markup(home: World) -> None:
    """Of a catalog without a fault, and of one with a fault."""
    folder = write_catalog(home.root / "[/red][bold]x", {"[dim]": {"title": "a"}})
    assert "/[/red][bold]x: 1 event type" in call("check", str(folder))
    write_catalog(folder, {"[dim]": {"title": "a\nb"}})
    assert "/[/red][bold]x/[dim].yaml: title: expected" in call("check", str(folder), code=1)


def test_a_pipe_a_device_and_a_bomb_are_faults(home: World) -> None:
    """Rather than that the check waits for them."""
    folder = write_catalog(home.root / "bad", {"sound": {"title": "a"}})
    os.mkfifo(folder / "pipe.yaml")
    (folder / "device.json").symlink_to("/dev/zero")
    aliases = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    (folder / "bomb.yaml").write_text("\n".join(["a0: &a0 [x]", *aliases]), encoding="utf-8")
    (folder / "deep.yaml").write_text("[" * 200_000, encoding="utf-8")
    (folder / "twice.yaml").write_text("title: a\ntitle: b\n", encoding="utf-8")
    lines = call("check", str(folder), code=1).splitlines()
    assert [line.split(f"{folder}/")[1].split(": cannot be read: ")[0] for line in lines] == [
        "bomb.yaml", "deep.yaml", "device.json", "pipe.yaml", "twice.yaml"
    ]  # fmt: skip
    assert lines[-1].endswith("title: the key is written twice, in lines 1 and 2")


def test_what_a_library_says_to_a_schema_is_a_fault_of_the_check(home: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A panic too: a run would meet it."""

    class PanicException(BaseException):
        """PyO3's class for a panic; each library has its own."""

    PanicException.__module__ = "pyo3_runtime"

    def panic(*_: object) -> None:
        raise PanicException("unexpected")

    monkeypatch.setattr("event_platform.cli.catalog.check.to_delta", panic)
    lines = call("check", code=1).splitlines()
    assert len(lines) == 3
    assert lines[0] == ("account:created: no table can be created from its schema: a library panicked: unexpected")


def audited(home: World, *records: dict[str, Any] | str, code: int = 0) -> str:
    """Draft from records of a stream with its own names; return what is printed, in one line."""
    home.deliver(MONDAY, "a", *records)
    envelope = {"event_uuid": "eventID", "event_name": "type", "created_at": {"field": "when", "unit": "iso8601"}}
    folder = write_catalog(home.root / "drafted", {}, envelope)
    return " ".join(draft(folder, code=code).split())


def audit(number: int, **fields: Any) -> dict[str, Any]:
    """Return a record of that stream."""
    return {"eventID": f"e{number}", "type": "a", "when": "2025-06-02T12:00:00Z", **fields}


def test_a_draft_ends_with_what_was_read_and_what_was_not(home: World) -> None:
    """By reason, in the stream's own names, each with an example whose texts are cut."""
    bad = audit(7, eventID=None, mail="someone@example.com")
    printed = audited(home, *map(audit, range(8)), bad, audit(9, when="02.06.2025"), "{broken")
    assert "read 11 100.0% in 1 object sound 8 72.7%" in printed
    assert "missing_event_uuid 1 9.1% eventID is absent, null or empty {" in printed
    assert "invalid_created_at 1 9.1% when is not a time in the form of the envelope (iso8601) {" in printed
    assert "not_json 1 9.1% The text is not JSON" in printed
    assert '"mail":"som…"' in printed.replace(" ", "")
    assert "someone@example.com" not in printed
    assert "event_uuid is" not in printed


def test_an_object_that_goes_meanwhile_is_named_and_left_out(home: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of landing is read, which takes time; the schema is drafted from the other objects."""
    path, _ = home.deliver(MONDAY, "a", event("u1")), home.deliver(MONDAY, "b", event("u2"))
    folder_read = FolderLanding.read

    def delete_before_read(landing: FolderLanding, name: str) -> bytes:
        path.unlink(missing_ok=True)
        return folder_read(landing, name)

    monkeypatch.setattr(FolderLanding, "read", delete_before_read)
    folder = home.root / "drafted"
    assert f"{path}: No such file" in draft(folder)
    assert names_by_file(folder) == {"account_created.yaml": "account:created"}


def test_a_draft_of_which_less_than_half_was_sound_fails(home: World) -> None:
    """There are schemas all the same."""
    assert "1 schema written" in audited(home, audit(1), *[audit(2, when="noon")] * 2, code=1)
    assert "read 3 100.0% in 1 object sound 1 33.3%" in " ".join(draft(home.root / "drafted", code=1).split())


def test_ids_of_many_records_are_doubted(home: World) -> None:
    """With how many there are."""
    printed = audited(home, *(audit(number % 5, n=number) for number in range(20)))
    assert "eventID: 5 ids for 20 different records: is eventID an id?" in printed


def test_auto_is_refused_where_numbers_are_in_several_units(home: World) -> None:
    """It would guess."""
    times = [1_748_865_600, 1_748_865_600_000, "1748865600000", "2025-06-02T12:00:00Z"]
    home.deliver(MONDAY, "a", *(event(f"u{number}") | {"created_at": time} for number, time in enumerate(times)))
    folder = write_catalog(home.root / "drafted", {}, {"created_at": {"field": "created_at", "unit": "auto"}})
    printed = " ".join(draft(folder, code=2).split())
    assert (
        "created_at: numbers of several units: 2 look like ms, 1 look like s; name the unit instead of auto" in printed
    )
    assert names_by_file(folder) == {}


def test_a_redelivered_record_is_no_doubt(home: World) -> None:
    """It has the same id and the same body."""
    assert "is eventID" not in audited(home, *(audit(number // 2) for number in range(20)))


def test_fields_without_a_column_are_named_with_the_reason(home: World) -> None:
    """And types with very many."""
    mixed = [
        audit(number, x="a" if number % 2 else 1, o={"y": {"deep": number if number % 2 else [1]}})
        for number in range(8)
    ]
    wide = audit(9, type="wide", **{f"k{chr(97 + n // 26)}{chr(97 + n % 26)}x": 1 for n in range(201)})
    printed = audited(home, *mixed, wide)
    assert (
        "a: no column for x (integer 50%, string 50%), o.y.deep (array 50%, integer 50%): kept in _rescued" in printed
    )
    assert "wide: 201 columns, more than 200" in printed

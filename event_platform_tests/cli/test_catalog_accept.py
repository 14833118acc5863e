"""`catalog diff` of what arrives, and `catalog accept`: a producer changes, the catalog follows."""

import json
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from event_platform.checks.conformance import check_dates
from event_platform.cli.catalog import accept
from event_platform.cli.main import main
from event_platform.events.catalog import load_catalog
from event_platform_tests.support.command import call, use
from event_platform_tests.support.mending import write_functions
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event, rows

DAYS = [MONDAY - timedelta(number) for number in range(30)]

ACCOUNT = """\
# Owned by growth.
title: account:created
type: object
properties:
  plan: {type: string, enum: [free, paid]}   # what they pay
  seats: {type: integer}
  since: {type: string, format: date}
  mail: {type: string, x-personal: true}
  gone: {type: string}   # nobody sends it

  # sizes
  size:
    type: integer
    minimum: 0
required: [plan]
"""

CHANGED: dict[str, Any] = {"plan": "free", "build": "7.1", "seats": 1.5, "since": "soon", "mail": 5, "size": -1}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A lake of thirty days, on the last of which a producer changes everything."""
    world = World(tmp_path_factory.mktemp("built"), schemas={})
    (world.root / "catalog" / "account.yaml").write_text(ACCOUNT, encoding="utf-8")
    for number, day in enumerate(DAYS[1:]):
        world.deliver(day, "a.json", event(f"a{number}", day, plan="free", seats=1, size=1, since="2025-01-01"))
    world.deliver(
        MONDAY,
        "b.json",
        event("b1", MONDAY, **CHANGED),
        event("b2", MONDAY, plan="trial", seats=2, build="7.2"),
        event("c1", MONDAY, "Account Created", plan="paid"),
        event("d1", MONDAY, "order:completed", amount=1.5),
        event("d2", MONDAY, "Order_Completed", amount=2),
        event("d3", MONDAY, "order:completed", amount=3),
    )
    world.build(*DAYS)
    return world


@pytest.fixture
def world(built: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy of it, which is the local environment."""
    shutil.copytree(built.root, tmp_path, dirs_exist_ok=True)
    copy = World(tmp_path, schemas={})
    use(monkeypatch, copy)
    return copy


def differences(**settings: Any) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return what `catalog diff` finds, by kind, event type and field."""
    document = json.loads(call("catalog", "diff", "--json", code=settings.pop("code", 1)))
    return {
        (difference["finding"], difference["event_type"], difference["path"]): difference
        for difference in document["differences"]
    }


def test_diff_shows_what_arrives_against_the_catalog(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its events, days, an example, and the change that fits; personal values are not shown."""
    use(monkeypatch, built)
    proposals = differences()
    account = "account:created"
    assert list(proposals) == [
        ("new name", "order:completed", ""),
        ("like a known name", account, "Account Created"),
        ("like a known name", "order:completed", "Order_Completed"),
        ("new field", account, "build"),
        ("changed type", account, "mail"),
        ("changed type", account, "seats"),
        ("changed type", account, "since"),
        ("broken rule", account, "plan"),
        ("broken rule", account, "size"),
        ("unseen field", account, "gone"),
    ]
    build = proposals["new field", account, "build"]
    assert (build["events"], build["first"], build["last"]) == (2, "2025-06-02", "2025-06-02")
    assert build["share"] == 2 / 32
    assert (build["example"], build["after"], build["file"]) == ('"7.1"', "type: string", "account.yaml")
    assert proposals["changed type", account, "mail"]["example"] == "•••"
    assert proposals["changed type", account, "seats"]["after"] == "type: number"
    assert proposals["broken rule", account, "plan"]["after"] == 'enum with "trial"'
    assert proposals["broken rule", account, "size"]["after"] == "minimum: -1"
    assert proposals["like a known name", account, "Account Created"]["example"] == "•••"


def test_diff_is_a_table_and_annotations(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules are compared with a share."""
    use(monkeypatch, built)
    monkeypatch.chdir(built.root)
    output = call("catalog", "diff", "--broken-share", "5", code=1)
    assert "8 differences: 1 new name, 2 like a known name, 1 new field, 3 changed type, 1 unseen field" in output
    lines = call("catalog", "diff", "--format", "github", code=1).splitlines()
    assert (
        "::warning file=catalog/account.yaml,title=new field%3A account%3Acreated build::"
        "2 (6.25 %25), 2025-06-02: type: string: " in "\n".join(lines)
    )
    assert lines[-1].startswith("::notice file=catalog/account.yaml,title=unseen field%3A account%3Acreated gone::")
    call("catalog", "diff", "--against", str(built.root / "catalog"), "--broken-share", "5", code=2)


def test_accept_shows_a_patch_and_writes_nothing(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --dry-run; the exit code says that there is one."""
    use(monkeypatch, built)
    output = call("catalog", "accept", "account:created", "--field", "build", "--dry-run", code=1)
    folder = built.root / "catalog"
    assert output.startswith(f"--- {folder}/account.yaml\n+++ {folder}/account.yaml\n@@ ")
    added = [line for line in output.splitlines()[2:] if line.startswith("+")]
    assert added[:2] == ["+  build:", "+    type: string"]
    assert "+x-version: 1-0-1" in added
    assert (folder / "account.yaml").read_text(encoding="utf-8") == ACCOUNT
    document = json.loads(call("catalog", "accept", "--dry-run", "--json", code=1))
    assert not document["written"]
    assert [file["version"] for file in document["files"]] == ["1-0-0", "1-1-0"]


def test_a_patch_can_be_applied(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By git, in the folder that it was made in: it gives the files that `accept` writes."""
    monkeypatch.chdir(world.root)
    patch = call("catalog", "accept", "--dry-run", code=1)
    subprocess.run(["git", "apply", "-p0", "-"], input=patch.encode(), check=True)
    applied = {path.name: path.read_bytes() for path in (world.root / "catalog").glob("*.yaml")}
    (world.root / "catalog" / "account.yaml").write_text(ACCOUNT, encoding="utf-8")
    (world.root / "catalog" / "order_completed.yaml").unlink()
    call("catalog", "accept", code=0)
    assert {path.name: path.read_bytes() for path in (world.root / "catalog").glob("*.yaml")} == applied


def test_what_is_accepted_has_a_place(world: World) -> None:
    """The text of the schema is otherwise as it was, and after a rebuild of the day nothing is left to accept."""
    call("catalog", "accept", code=0)
    text = (world.root / "catalog" / "account.yaml").read_text(encoding="utf-8")
    assert "  gone: {type: string}   # nobody sends it\n\n  # sizes\n" in text
    schema = yaml.safe_load(text)
    assert schema["properties"]["build"] == {"type": "string"}
    assert schema["properties"]["since"] == {"type": "string"}
    assert schema["properties"]["mail"] == {"type": "string", "x-personal": True, "x-was-type": ["integer"]}
    assert schema["properties"]["plan"]["enum"] == ["free", "paid"]  # a rule is accepted by its field
    assert schema["x-names"] == ["Account Created"]
    assert (schema["x-version"], len(schema["x-changes"])) == ("1-1-0", 1)
    order = world.catalog.by_name["Order_Completed"]
    assert (order.name, order.names) == ("order:completed", ("order:completed", "Order_Completed"))
    assert {finding for finding, *_ in differences()} == {"rebuild", "broken rule", "unseen field"}
    world.type(*DAYS)
    account = world.events("account_created").filter(created_date=MONDAY)
    assert account.select("event_uuid", "build", "seats", "mail").rows() == [
        ("b1", "7.1", 1.5, "5"),
        ("b2", "7.2", 2.0, None),
        ("c1", None, None, None),
    ]
    assert account["_rescued"].to_list() == [None, None, None]
    assert world.events("order_completed")["amount"].to_list() == [1.5, 2.0, 3.0]
    assert rows(world.lake.unregistered_events).is_empty()
    assert {finding for finding, *_ in differences()} == {"broken rule", "unseen field"}
    table = world.event_table("account_created").snapshot()
    (conformance,) = check_dates(world.catalog.by_key["account_created"], table, [MONDAY])
    assert conformance[1].metadata["values_rescued"] == 0


def test_rules_and_unseen_fields_are_accepted_by_their_field(world: World) -> None:
    """They may be a fault of the producer. After that, nothing needs anybody."""
    call("catalog", "accept", code=0)
    call("catalog", "accept", "account_created", "--field", "plan", "--field", "size", "--field", "gone", code=0)
    schema = yaml.safe_load((world.root / "catalog" / "account.yaml").read_text(encoding="utf-8"))
    assert schema["properties"]["plan"]["enum"] == ["free", "paid", "trial"]
    assert schema["properties"]["size"]["minimum"] == -1
    assert schema["properties"]["gone"]["deprecated"] is True
    assert [change["version"] for change in schema["x-changes"]] == ["1-1-0", "1-1-1"]
    assert {finding for finding, *_ in differences(code=0)} == {"rebuild"}
    assert "0 differences accepted in 0 files" in call("catalog", "accept", code=0)


def test_tables_and_functions_beside_the_schemas_are_part_of_the_outcome(world: World) -> None:
    """Those of derived columns are there; a function that mends events of a name that becomes known is a fault."""
    catalog = world.root / "catalog"
    (catalog / "plans.csv").write_text("plan,name\nfree,Free\n", encoding="utf-8")
    derive = "x-derive:\n  plan_name: {lookup: plans.csv, by: plan, value: name}\n"
    (catalog / "account.yaml").write_text(f"{ACCOUNT}{derive}", encoding="utf-8")
    source = (
        "from event_platform.events.mending import mends\n@mends(name='Order_Completed')\ndef f(record): return None\n"
    )
    write_functions(world, source)
    assert "1 difference accepted in 1 file" in call("catalog", "accept", "--field", "build", code=0)
    output = " ".join(call("catalog", "accept", "order:completed", code=2).split())
    assert f"{catalog}/mend/rules.py:2: @mends" in output
    assert "Order_Completed" in output


def test_a_name_becomes_a_type_of_its_own_with_a_schema(world: World) -> None:
    """Its schema is written first; then it is no longer another name of the similar type.

    Names with the same table cannot be separated.
    """
    schema = {"title": "account:create", "properties": {}}
    world.deliver(TUESDAY, "e.json", event("e1", TUESDAY, "account:create", plan="free"))
    world.build(TUESDAY)
    assert ("like a known name", "account:created", "account:create") in differences()
    (world.root / "catalog" / "create.yaml").write_text(yaml.safe_dump(schema), encoding="utf-8")
    assert ("like a known name", "account:created", "account:create") not in differences()


@pytest.mark.parametrize("table", ["events/account_created", "unregistered_events"])
def test_a_file_that_cannot_be_read_is_named(world: World, table: str) -> None:
    """With what to do; exit code 2, not that of differences."""
    for path in (world.root / "lake" / table).glob("created_date=*/*.parquet"):
        path.unlink()
    for command in ("diff", "accept"):
        output = " ".join(call("catalog", command, code=2).split())
        assert f"{table}: a file cannot be read: " in output
        assert "event-platform run builds the day of a file that is missing or damaged again" in output


def test_a_name_that_differs_in_letters_is_accepted_by_name(world: World) -> None:
    """It may be another event, and even the opposite; one that differs in case and separators is the same."""
    detached = {"title": "AttachRolePolicy", "properties": {}}
    (world.root / "catalog" / "policy.yaml").write_text(yaml.safe_dump(detached), encoding="utf-8")
    world.deliver(
        TUESDAY, "e.json", event("e1", TUESDAY, "DetachRolePolicy"), event("e2", TUESDAY, "attach_role_policy")
    )
    world.build(TUESDAY)
    assert ("like a known name", "AttachRolePolicy", "DetachRolePolicy") in differences()
    for arguments in ([], ["AttachRolePolicy"]):
        call("catalog", "accept", *arguments, code=0)
        assert world.catalog.by_name["AttachRolePolicy"].names == ("AttachRolePolicy", "attach_role_policy")
    assert "1 difference accepted in 1 file" in call("catalog", "accept", "DetachRolePolicy", code=0)
    assert world.catalog.by_name["DetachRolePolicy"].name == "AttachRolePolicy"


def test_a_patch_is_one_that_can_be_applied(world: World) -> None:
    """Tabs and ends of lines are as in the file, and so is a last line without one."""
    path = world.root / "catalog" / "account.yaml"
    path.write_bytes(ACCOUNT.rstrip("\n").replace("# what", "#\twhat").replace("\n", "\r\n").encode())
    output = CliRunner().invoke(main, ["catalog", "accept", "account:created", "--dry-run"]).stdout_bytes
    assert b" # what" not in output
    assert b"#\twhat they pay\r\n" in output
    assert b"\n-required: [plan]\n\\ No newline at end of file\n" in output.replace(b"\r", b"")
    path.write_bytes(ACCOUNT.encode())


def test_nothing_is_written_if_a_run_would_fail(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole catalog is loaded, and compared with the tables."""
    shutil.copyfile(world.root / "catalog" / "account.yaml", world.root / "before")
    monkeypatch.setattr(
        "event_platform.cli.catalog.editing.load_with_faults", lambda folder: ((), [f"{folder}/account.yaml: a fault"])
    )
    output = call("catalog", "accept", code=2)
    assert f"{world.root}/catalog/account.yaml: a fault no schema is written" in " ".join(output.split())
    assert (world.root / "catalog" / "account.yaml").read_bytes() == (world.root / "before").read_bytes()
    assert [path.name for path in (world.root / "catalog").iterdir()] == ["account.yaml"]


def test_what_is_saved_meanwhile_is_not_overwritten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editor may save a schema while `accept` compares the accepted differences with the tables."""
    saved, path = ACCOUNT + "x-owner: growth\n", world.root / "catalog" / "account.yaml"
    monkeypatch.setattr(accept, "require_sound", lambda *_: path.write_text(saved, encoding="utf-8"))
    assert "account.yaml: was changed during this command; no schema is written" in " ".join(
        call("catalog", "accept", code=2).split()
    )
    assert path.read_text(encoding="utf-8") == saved
    assert [each.name for each in path.parent.iterdir()] == ["account.yaml"]


def test_a_file_that_an_editor_removes_is_no_failure(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vim writes a temporary file beside the one that it saves."""
    copy = shutil.copyfile

    def gone(source: Path, target: Path) -> None:
        if source.name == "4913":
            source.unlink()
        copy(source, target)

    (world.root / "catalog" / "4913").touch()
    monkeypatch.setattr(shutil, "copyfile", gone)
    assert "x-version" in call("catalog", "accept", "--dry-run", code=1)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nothing"], "nothing: neither in the catalog nor the name of an arriving event"),
        (["--field", "nothing"], "nothing: no difference at this field"),
        (["order:completed", "--field", "build"], "build: no difference at this field"),
    ],
)
def test_what_is_not_there_is_not_accepted(
    built: World, monkeypatch: pytest.MonkeyPatch, arguments: list[str], reason: str
) -> None:
    """A usage error, with a sentence."""
    use(monkeypatch, built)
    assert reason in " ".join(call("catalog", "accept", *arguments, code=2).split())
    assert load_catalog(built.root / "catalog").by_key.keys() == {"account_created"}

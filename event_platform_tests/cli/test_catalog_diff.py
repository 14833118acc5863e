"""`catalog diff` and `catalog check --against-lake`: before a schema is merged, and before it is deployed."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from event_platform.cli.main import main
from event_platform_tests.support.command import use
from event_platform_tests.support.world import MONDAY, SCHEMAS, TUESDAY, World, event, write_catalog

NUMBER = {"type": "number"}


def call(*arguments: str, code: int) -> str:
    """Return what `catalog` prints; it must end with `code`."""
    result = CliRunner().invoke(main, ["catalog", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def git(folder: Path, *arguments: str) -> None:
    """Run git in a folder, as somebody."""
    who = ["-c", "user.name=a", "-c", "user.email=a@example.invalid", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a catalog of two commits, of which the second breaks, and a change that is not committed."""
    root = tmp_path_factory.mktemp("repository")
    folder = write_catalog(root / "in" / "catalog", {"a": {"title": "a", "properties": {"p": {"type": "string"}}}})
    (folder / "link.yaml").symlink_to("a.yaml")
    git(root, "init")
    git(root, "add", ".")
    git(root, "commit", "-m", "with a link")
    git(root, "tag", "linked")
    (folder / "link.yaml").unlink()
    git(root, "commit", "-a", "-m", "first")
    git(root, "tag", "first")
    write_catalog(folder, {"a": {"title": "a", "properties": {"p": {"type": "integer"}}}})
    git(root, "commit", "-a", "-m", "second")
    evil = {"title": "% ::error::x", "properties": {"q": {"type": "string"}}}
    write_catalog(folder, {"evil,:": evil})
    return root


def test_a_catalog_is_compared_with_itself_at_a_revision(repository: Path) -> None:
    """Without a checkout; exit code 1 if a change is breaking."""
    folder = str(repository / "in" / "catalog")
    assert "1 change: 1 compatible" in call("diff", folder, "--against", "git:HEAD", code=0)
    output = call("diff", folder, "--against", "git:first", code=1)
    assert "2 changes: 1 breaking, 1 compatible" in output
    assert "column p keeps its type" in " ".join(output.split())
    document = json.loads(call("diff", folder, "--against", "git:first", "--json", code=1))
    assert document["breaking"]
    assert document["changes"][0] == {
        "impact": "breaking",
        "event_type": "a",
        "path": "p",
        "before": "type: string",
        "after": "type: integer",
        "action": "column p keeps its type or gets a wider one: give the property a new column, x-column: p_integer",
        "column": ["p"],
        "file": "a.yaml",
    }
    assert json.loads(call("diff", folder, "--against", folder, "--format", "json", code=0))["changes"] == []


def test_changes_are_annotations_of_github(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the file below the root of the repository, and nothing of a schema is a command."""
    monkeypatch.chdir(repository)
    lines = call("diff", "in/catalog", "--against", "git:first", "--format", "github", code=1).splitlines()
    breaking, compatible = lines
    assert breaking == (
        "::error file=in/catalog/a.yaml,title=breaking%3A a p::type: string → type: integer: column p keeps its type "
        "or gets a wider one: give the property a new column, x-column: p_integer"
    )
    assert compatible.startswith(
        "::notice file=in/catalog/evil%2C%3A.yaml,title=compatible%3A %25 %3A%3Aerror%3A%3Ax::absent → in the catalog: "
    )


@pytest.mark.parametrize(
    ("against", "reason"),
    [
        ("git:", "expected a branch, tag or commit"),
        ("git:--output=x", "expected a branch, tag or commit"),
        ("git:nowhere", "git:nowhere: no such branch, tag or commit"),
        ("git:HEAD:in", "no such branch, tag or commit"),
        ("git:linked", "link.yaml: at this revision not a regular file"),
        ("main", "main: no such folder; if it is a branch, tag or commit: --against git:main"),
        ("", "expected a folder or git:REF to compare with, got an empty text"),
    ],
)
def test_a_catalog_that_cannot_be_read_is_a_usage_error(repository: Path, against: str, reason: str) -> None:
    """With a sentence."""
    output = call("diff", str(repository / "in" / "catalog"), "--against", against, code=2)
    assert reason in " ".join(output.split())


def test_no_repository_and_no_catalog_then_are_usage_errors(repository: Path, tmp_path: Path) -> None:
    """As is a fault in the earlier catalog, which is named by its revision."""
    folder = write_catalog(tmp_path / "catalog", {"a": {"title": "a"}})
    assert "not a git repository" in call("diff", str(folder), "--against", "git:HEAD", code=2)
    (repository / "new").mkdir(exist_ok=True)
    assert "has no schemas at this revision" in call("diff", str(repository / "new"), "--against", "git:HEAD", code=2)
    git(tmp_path, "init")
    (folder / "a.yaml").write_text("title: []", encoding="utf-8")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "x")
    write_catalog(folder, {"a": {"title": "a"}})
    output = call("diff", str(folder), "--against", "git:HEAD", code=2)
    assert f"git:HEAD:{folder}/a.yaml: title: [] is not of type" in " ".join(output.split())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A lake with two event tables."""
    world = World(tmp_path_factory.mktemp("built"))
    lesson = event("1", name="lesson:started", user="usr_1", level=1, device={"os": "x"}, answers=[{"id": 1}])
    world.deliver(MONDAY, "a", lesson, event("2", plan="x"))
    world.load(MONDAY)
    world.deduplicate(MONDAY)
    world.type(MONDAY)
    return world


@pytest.fixture
def home(built: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same, named by the environment variables."""
    use(monkeypatch, built)
    return built


def changed(**properties: Any) -> dict[str, dict[str, Any]]:
    """Return the schemas without the one of accounts, with other properties of lessons."""
    lesson = SCHEMAS["lesson_started"]
    schemas = {name: schema for name, schema in SCHEMAS.items() if name != "account_created"}
    return schemas | {"lesson_started": lesson | {"properties": lesson["properties"] | properties}}


def test_a_catalog_that_goes_with_the_lake_passes(home: World, tmp_path: Path) -> None:
    """New columns do not fail a run; neither does a type without a schema, of which the rows are shown."""
    assert "no run fails on a column" in call("check", "--against-lake", code=0)
    folder = write_catalog(tmp_path / "catalog", changed(new={"type": "string"}))
    document = json.loads(call("check", str(folder), "--against-lake", "--json", code=0))
    assert not document["fails"]
    assert [(clash["table"], clash["kind"], clash["stored"]) for clash in document["clashes"]] == [
        ("events/account_created", "no schema", "rows: 1")
    ]


def test_what_a_run_would_fail_on_is_shown_before(home: World, tmp_path: Path) -> None:
    """Each column by itself, at any depth; the run then fails on the first of them, and on none after a fix."""
    other = changed(
        level={"type": "string"},
        device={"type": "object", "properties": {"OS": {"type": "string"}, "version": {"type": "number"}}},
        answers={"type": "array", "items": {"type": "object", "properties": {"id": {"type": "string"}}}},
        skills={"type": "array", "items": {"type": "integer"}},
        hard={"type": "object", "properties": {"very": {"type": "boolean"}, "so": {"type": "boolean"}}},
    )
    folder = write_catalog(tmp_path / "catalog", other)
    document = json.loads(call("check", str(folder), "--against-lake", "--json", code=1))
    assert document["fails"]
    assert {
        (clash["column"], clash["stored"], clash["defined"]) for clash in document["clashes"] if clash["fails"]
    } == {
        ("device.OS", "os: string", "OS: string"),
        ("skills", "array<string>", "array<long>"),
        ("hard", "boolean", "struct<very: boolean, so: boolean>"),
    }
    assert {
        (clash["column"], clash["stored"], clash["defined"]) for clash in document["clashes"] if not clash["fails"]
    } == {
        ("level", "long", "string"),
        ("device.version", "long", "double"),
        ("answers.id", "long", "string"),
        ("", "rows: 1", ""),
    }
    output = " ".join(call("check", str(folder), "--against-lake", code=1).split())
    assert "a run would fail on 3 columns" in output
    assert "x-column: skills_long" in output
    errors = run_with(home, tmp_path / "fails", other)
    assert (
        "hard: the table has boolean, the catalog says struct<very: boolean, so: boolean>" in errors["lesson_started"]
    )
    wider = changed(device=other["lesson_started"]["properties"]["device"] | {"properties": {"version": NUMBER}})
    output = call("check", str(write_catalog(tmp_path / "wider", wider)), "--against-lake", code=0)
    assert "wider type" in output
    assert "no run fails" in output
    fixed = changed(hard={**other["lesson_started"]["properties"]["hard"], "x-column": "hard_struct"})
    assert "no run fails" in call("check", str(write_catalog(tmp_path / "fixed", fixed)), "--against-lake", code=0)
    assert run_with(home, tmp_path / "passes", fixed) == {}


def test_faults_of_a_catalog_come_first(home: World, tmp_path: Path) -> None:
    """As without the lake, exit code 1."""
    folder = write_catalog(tmp_path / "catalog", {"a": {"title": ""}})
    assert "a.yaml: title: expected the event's name" in call("check", str(folder), "--against-lake", code=1)
    document = json.loads(call("check", str(folder), "--against-lake", "--json", code=1))
    assert document["fails"]
    assert len(document["faults"]) == 1


def run_with(built: World, folder: Path, schemas: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Type another day into the lake of a world with other schemas; return the errors by key."""
    world = World(folder, schemas)
    (folder / "lake").symlink_to(built.root / "lake")
    reports = world.type(MONDAY, TUESDAY)
    return {key: report.error for key, report in reports.items() if report.error}


def test_files_beside_the_schemas_are_those_of_the_revision(tmp_path: Path) -> None:
    """Functions and reference tables: a change of one shows the columns that use it."""
    folder = tmp_path / "catalog"
    derive = {
        "name": {"lookup": "t.csv", "by": "p", "value": "name"},
        "upper": {"function": "f:upper", "columns": ["p"], "type": "string"},
    }
    write_catalog(folder, {"a": {"title": "a", "properties": {"p": {"type": "string"}}, "x-derive": derive}})
    (folder / "t.csv").write_text("p,name\na,A\n", encoding="utf-8")
    (folder / "f.py").write_text("def upper(frame):\n    return frame['p'].str.to_uppercase()\n", encoding="utf-8")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    assert json.loads(call("diff", str(folder), "--against", "git:HEAD", "--json", code=0))["changes"] == []
    (folder / "t.csv").write_text("p,name\na,B\n", encoding="utf-8")
    output = " ".join(call("diff", str(folder), "--against", "git:HEAD", code=0).split())
    assert "1 change: 1 back-fill" in output
    assert "x-derive.name" in output


def test_check_runs_functions_without_rows(tmp_path: Path) -> None:
    """So that an unknown name, or a type that differs from the column's, is found before a run."""
    derive = {
        "fine": {"function": "f:fine", "type": "string"},
        "wrong": {"function": "f:fine", "type": "number"},
        "broken": {"function": "f:broken", "type": "string"},
    }
    write_catalog(tmp_path, {"a": {"title": "a", "properties": {"p": {"type": "string"}}, "x-derive": derive}})
    code = "def fine(frame):\n    return frame['p']\n\ndef broken(frame):\n    return nothing\n"
    (tmp_path / "f.py").write_text(code, encoding="utf-8")
    output = call("check", str(tmp_path), code=1)
    assert output.splitlines() == [
        "a: x-derive.wrong: fails without any rows: ResultError: expected number, got string; cast it",
        "a: x-derive.broken: fails without any rows: NameError: name 'nothing' is not defined",
    ]

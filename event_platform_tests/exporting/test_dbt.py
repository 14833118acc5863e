"""The dbt project is built by dbt on a lake: it passes, and fails where a rule of the catalog is broken."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from event_platform.exporting.dbt import as_jinja, dbt_files
from event_platform.exporting.warehouses import WAREHOUSES
from event_platform_tests.exporting.test_sql import PLAIN, opened
from event_platform_tests.exporting.worlds import HOSTILE, break_every_rule, build_world
from event_platform_tests.support.command import call, use
from event_platform_tests.support.duckdb_delta import connect, install_extension

DBT = Path(__file__).parents[2] / ".venv-readers" / "bin" / "dbt"

needs_dbt = pytest.mark.skipif(
    not DBT.is_file(), reason="dbt is not installed: `make .venv-readers/.tried` installs it"
)


@needs_dbt
def test_dbt_builds_the_project_and_finds_what_breaks_the_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every rule has a test that fails if the rule is broken, and passes otherwise, whatever texts the catalog has.

    The exception is an `enum` with a text of two lines: no SQL is generated for it.
    """
    world = build_world(tmp_path / "world")
    use(monkeypatch, world)
    for kind in ("views", "dbt"):
        call("export", kind, "--for", "duckdb", "--to", str(tmp_path / kind), code=0)
    with connect(tmp_path / "warehouse.duckdb") as database:
        database.execute((tmp_path / "views" / "duckdb.sql").read_text(encoding="utf-8"))
    install_extension(tmp_path / "home")
    _write_profile(tmp_path)
    results = _dbt(tmp_path, code=0)
    assert set(results.values()) == {"pass", "success"}
    assert len(results) == 12
    break_every_rule(world)
    failed = {name for name, status in _dbt(tmp_path, code=1).items() if status == "fail"}
    assert {name.partition("_stg")[0] for name in failed} == {"not_null", "accepted_values", "in_range", "unique"}
    assert len(failed) == 6
    assert HOSTILE in _manifest(tmp_path)["nodes"]["model.event_platform.stg_lesson_started"]["description"]


def _write_profile(folder: Path) -> None:
    output = {"type": "duckdb", "path": str(folder / "warehouse.duckdb"), "threads": 1}
    profile = {"event_platform": {"target": "test", "outputs": {"test": output}}}
    (folder / "dbt" / "profiles.yml").write_text(yaml.safe_dump(profile), encoding="utf-8")


def _dbt(folder: Path, code: int) -> dict[str, str]:
    """Build the project, and return the status of each model and test by its name."""
    variables = {"HOME": str(folder / "home"), "DO_NOT_TRACK": "1", "PATH": os.environ["PATH"]}
    command = [str(DBT), "--no-version-check", "build", "--profiles-dir", ".", "--warn-error"]
    process = subprocess.run(command, cwd=folder / "dbt", env=variables, capture_output=True, text=True, check=False)
    assert process.returncode == code, process.stdout + process.stderr
    results = json.loads((folder / "dbt" / "target" / "run_results.json").read_text(encoding="utf-8"))["results"]
    return {each["unique_id"].split(".")[2]: each["status"] for each in results}


def _manifest(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "dbt" / "target" / "manifest.json").read_text(encoding="utf-8"))
    return manifest


def test_names_are_those_of_the_views() -> None:
    """In each warehouse: the database, the schema and the identifier of a source are where its view is."""
    for name in WAREHOUSES:
        warehouse = opened(name)
        source = yaml.safe_load(dbt_files(warehouse, [PLAIN], [], None)["models/sources.yml"])["sources"][0]
        (table,) = source["tables"]
        path = (*([source["database"]] if "database" in source else []), source["schema"], table["identifier"])
        assert path == warehouse.view_path(PLAIN)
        assert [column["name"] for column in table["columns"]] == [
            warehouse.fold(column) for column, _ in PLAIN.columns
        ]


def test_staging_models_of_types_that_left_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others wrote beside them is left alone, and so is their model of a similar name."""
    world = build_world(tmp_path / "world")
    use(monkeypatch, world)
    call("export", "dbt", "--for", "duckdb", "--to", str(tmp_path / "dbt"), code=0)
    staging = tmp_path / "dbt" / "models" / "staging"
    (staging / "stg_mine.sql").write_text("select 1", encoding="utf-8")
    (world.root / "catalog" / "account_created.yaml").unlink()
    assert "stg_account_created.sql" in call("export", "dbt", "--for", "duckdb", "--to", str(tmp_path / "dbt"), code=0)
    assert sorted(path.name for path in staging.glob("*.sql")) == ["stg_lesson_started.sql", "stg_mine.sql"]
    assert "0 files would change" in call(
        "export", "dbt", "--for", "duckdb", "--to", str(tmp_path / "dbt"), "--check", code=0
    )


def test_texts_are_no_jinja() -> None:
    """Descriptions with expressions are escaped, because dbt renders them; others are left as they are."""
    assert as_jinja("{a: 1}") == "{a: 1}"
    assert as_jinja("{{ x }}") == "{{ '{' }}{{ '{' }} x }}"

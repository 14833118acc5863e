"""The container image, as far as it can be judged without building it."""

import re
import subprocess
import tomllib
from pathlib import Path

import hcl2
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from event_platform_tests.deploy.containers import COMMANDS
from event_platform_tests.support.command import beside_python
from event_platform_tests.support.live import PROJECT

_DOCKERFILE = PROJECT / "Dockerfile"
_SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|CREDENTIAL|ACCESS_KEY|ALERT", re.IGNORECASE)


def test_hadolint_has_nothing_to_say_about_the_dockerfile() -> None:
    """Not even in passing."""
    said = subprocess.run([beside_python("hadolint"), _DOCKERFILE], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (0, ""), said.stdout + said.stderr


def test_both_stages_come_from_one_base_that_is_pinned_to_the_byte() -> None:
    """A tag can be moved; a digest cannot."""
    first, *others = [arguments for name, arguments in _instructions() if name == "FROM"]
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64} AS base", first)
    assert [other.split()[0] for other in others] == ["base", "base"]


def test_the_last_stage_runs_as_nobody_in_particular_and_compiles_nothing() -> None:
    """By number, for engines that refuse what may be root; and nothing follows that could be root again."""
    last = _last_stage()
    assert [arguments for name, arguments in last if name == "USER"] == ["10001:10001"]
    after = last[last.index(("USER", "10001:10001")) :]
    assert "RUN" not in dict(after)
    commands = " ".join(arguments for name, arguments in _instructions() if name == "RUN")
    assert not re.search(r"\b(apt-get|apk|gcc|g\+\+|make|curl|wget)\b", commands)


def test_dependencies_are_those_of_the_lock_file_by_their_hashes_and_come_before_the_code() -> None:
    """A change of the code installs nothing anew, and nothing that was not tested is installed."""
    instructions = _instructions()
    installs = [arguments for name, arguments in instructions if name == "RUN" and "install" in arguments]
    for line in re.findall(r"pip[^&]* install [^&]*", " && ".join(installs)):
        assert "--no-deps" in line
        assert ("--require-hashes" in line and "--only-binary :all:" in line) or "--no-index" in line, line
    order = [arguments for name, arguments in instructions if name in {"COPY", "RUN"}]
    first = {text: next(place for place, each in enumerate(order) if text in each) for text in ("-r /locks", "/source")}
    assert first["-r /locks"] < first["/source"]


def test_there_is_no_secret_and_nothing_from_elsewhere_in_the_image() -> None:
    """Secrets come with the container's environment; ADD could fetch and unpack what nobody has looked at."""
    names = {name for name, _ in _instructions()}
    assert not names & {"ADD", "ARG"}
    assert not _SECRET.search(" ".join(arguments for name, arguments in _instructions() if name == "ENV"))


def test_what_is_copied_is_there_and_reaches_the_build() -> None:
    """The rest of the repository, and of a working copy, does not."""
    ignored, *let_through = [
        line
        for line in (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith(("#", "**/"))
    ]
    assert ignored == "*"
    allowed = [line.removeprefix("!") for line in let_through]
    copied = [
        source
        for name, arguments in _instructions()
        if name == "COPY" and "--from" not in arguments
        for source in [part for part in arguments.split() if not part.startswith("--")][:-1]
    ]
    for source in copied:
        assert (PROJECT / source).exists(), source
        assert any(source.rstrip("/") == each or source.startswith(f"{each}/") for each in allowed), source
    assert {each for each in allowed if not any(source.startswith(each) for source in copied)} == set()


def test_the_health_check_is_that_of_the_command() -> None:
    """And both are programs of the image, that a shell can read and everybody may run."""
    last = dict(_last_stage())
    assert last["CMD"] == '["webserver"]'
    assert last["HEALTHCHECK"].endswith('CMD ["healthy", "webserver"]')
    for command in COMMANDS.iterdir():
        assert command.stat().st_mode & 0o111 == 0o111, command
        subprocess.run(["sh", "-n", command], check=True)
    unknown = subprocess.run(["sh", COMMANDS / "healthy", "nothing"], capture_output=True, text=True, check=False)
    assert (unknown.returncode, "usage" in unknown.stderr) == (2, True)


def test_what_ecs_runs_are_commands_of_the_image() -> None:
    """A service is named as the command is that it runs, and its check begins with a program that is there."""
    module = PROJECT / "deploy" / "terraform" / "modules" / "event_platform" / "services.tf"
    if not module.exists():
        pytest.skip(f"{module}: no such file: there is no Terraform module here")
    (services,) = [block["services"] for block in hcl2.loads(module.read_text())["locals"] if "services" in block]
    commands = {command.name for command in COMMANDS.iterdir()}
    assert set(services) == commands - {"healthy"}
    for service in services.values():
        program = service["check"].strip('"').split()[0]
        assert program in commands or beside_python(program).exists(), program


def test_the_lock_file_of_the_image_has_what_it_needs_and_what_was_tested() -> None:
    """Every dependency of the package and of its extras, each with hashes, in the versions of the tests."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    image, tested = _locked("requirements-image.lock"), _locked("requirements-dev.lock")
    extras = project["optional-dependencies"]
    for line in [*project["dependencies"], *extras["postgres"], *extras["metrics"]]:
        needed = Requirement(line)
        assert needed.specifier.contains(image[needed.name]), line
    assert image.items() <= tested.items()
    assert image.items() >= _locked("requirements.lock").items()
    assert set(_locked("deploy/image/build.lock")) == {"setuptools"}


def _instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile, each with its arguments on one line."""
    text = re.sub(r"^#.*\n", "", _DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(name, arguments) for name, _, arguments in (line.partition(" ") for line in lines if line)]


def _last_stage() -> list[tuple[str, str]]:
    instructions = _instructions()
    return instructions[max(place for place, (name, _) in enumerate(instructions) if name == "FROM") :]


def _locked(path: str) -> dict[str, Version]:
    """Return the versions that a lock file has. Raises AssertionError for one that has no hashes."""
    found = {}
    for entry in re.split(r"\n(?=\S)", Path(PROJECT / path).read_text(encoding="utf-8").strip()):
        requirement = Requirement(entry.partition("\\")[0])
        assert entry.count("--hash=sha256:") > 0, requirement
        (version,) = requirement.specifier
        assert version.operator == "==", requirement
        found[requirement.name] = Version(version.version)
    return found

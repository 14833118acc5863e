"""The machine image for one EC2 instance, as far as it can be judged without building it."""

import re
import shlex
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import hcl2
import pytest

from event_platform_tests.deploy.containers import COMMANDS
from event_platform_tests.support.live import PROJECT

_PACKER = PROJECT / "deploy" / "packer"
_TEMPLATE = _PACKER / "event_platform.pkr.hcl"
_UNITS = sorted((_PACKER / "systemd").glob("*.service"))


def test_packer_takes_the_template(tmp_path: Path) -> None:
    """With its variables and the files that it sends."""
    packer = shutil.which("packer")
    if packer is None:
        pytest.skip("no packer here: Debian's package is packer")
    folder = shutil.copytree(_PACKER, tmp_path / "packer")
    version = subprocess.run([packer, "version"], capture_output=True, text=True, check=True).stdout
    if re.match(r"Packer v1\.[0-6]\.", version):
        _for_the_packer_of_debian(folder)
    elif "github.com/hashicorp/amazon" not in _plugins(packer):
        pytest.skip(f"this packer has no plugin for AWS: run packer init {_PACKER}")
    archive = tmp_path / "source.tar.gz"
    archive.touch()
    variables = ["-var=region=eu-central-1", f"-var=source={archive}"]
    done = subprocess.run([packer, "validate", *variables, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_is_encrypted_and_gives_credentials_to_no_plain_get() -> None:
    """Made from an image of Debian's own account, and reached with a key that is forgotten."""
    source = _blocks(hcl2.loads(_TEMPLATE.read_text(encoding="utf-8")), "source")["amazon-ebs"]["event_platform"]
    assert source["encrypt_boot"] is True
    assert [mapping["encrypted"] for mapping in source["launch_block_device_mappings"]] == [True]
    assert source["imds_support"] == "v2.0"
    (metadata,) = source["metadata_options"]
    assert (metadata["http_tokens"], metadata["http_put_response_hop_limit"]) == ("required", 1)
    (chosen,) = source["source_ami_filter"]
    assert chosen["owners"] == ["136693071363"]
    assert source["ssh_clear_authorized_keys"] is True


def test_the_services_run_what_the_containers_run_on_this_machine_alone() -> None:
    """The same programs with the same flags, which the tests of the containers start."""
    assert [unit.stem for unit in _UNITS] == [f"event-platform-{n}" for n in ("code-location", "daemon", "webserver")]
    for unit in _UNITS:
        script = (COMMANDS / unit.stem.removeprefix("event-platform-")).read_text(encoding="utf-8")
        (line,) = re.findall(r"^exec (.*)$", script, re.MULTILINE)
        program, *flags = shlex.split(line.replace("0.0.0.0", "127.0.0.1").replace("$DAGSTER_HOME", "/opt/dagster"))  # noqa: S104
        assert shlex.split(_service(unit)["ExecStart"]) == [f"/opt/venv/bin/{program}", *flags]


@pytest.mark.parametrize("unit", _UNITS, ids=lambda unit: unit.stem)
def test_a_service_is_one_unprivileged_user_that_may_write_to_one_folder(unit: Path) -> None:
    """And has its settings, and secrets, from a file that only root can read."""
    service = _service(unit)
    assert service["User"] == "dagster"
    assert service["EnvironmentFile"] == "/etc/event_platform/environment"
    assert service["ProtectSystem"] == "strict"
    assert service["ReadWritePaths"] == "/var/lib/event_platform"
    assert (service["NoNewPrivileges"], service["CapabilityBoundingSet"]) == ("yes", "")
    install = (_PACKER / "install.sh").read_text(encoding="utf-8")
    assert "useradd --uid 10001" in install
    assert "install -m 600 /dev/null /etc/event_platform/environment" in install


def test_the_script_installs_by_hashes_and_is_one_that_a_shell_can_read() -> None:
    """As the Dockerfile does: wheels of the lock file, and nothing else from the index."""
    script = (_PACKER / "install.sh").read_text(encoding="utf-8")
    subprocess.run(["sh", "-n", _PACKER / "install.sh"], check=True)
    for line in re.findall(r"pip\b.* install .*(?:\\\n.*)?", script):
        assert "--no-deps" in line
        assert ("--require-hashes" in line and "--only-binary :all:" in line) or "--no-index" in line, line
    for path in re.findall(r"/opt/event_platform/([\w./-]+)", script):
        assert (PROJECT / path).exists(), path


def _for_the_packer_of_debian(folder: Path) -> None:
    """Leave out what came after 1.6: plugins, and IMDSv2 of images."""
    (folder / "plugins.pkr.hcl").unlink()
    text = (folder / _TEMPLATE.name).read_text(encoding="utf-8")
    text, settings = re.subn(r"\n  imds_support .*", "", text)
    text, blocks = re.subn(r"\n  metadata_options \{.*?\n  \}", "", text, flags=re.DOTALL)
    assert (settings, blocks) == (1, 1)
    (folder / _TEMPLATE.name).write_text(text, encoding="utf-8")


def _plugins(packer: str) -> str:
    return subprocess.run([packer, "plugins", "installed"], capture_output=True, text=True, check=False).stdout


def _blocks(parsed: Any, kind: str) -> Any:
    """Return the one block of a kind, without the quotes that the parser keeps."""
    (block,) = parsed[kind]
    return _unquoted(block)


def _unquoted(value: Any) -> Any:
    if isinstance(value, dict):
        return {_unquoted(key): _unquoted(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_unquoted(each) for each in value]
    return value.strip('"') if isinstance(value, str) else value


def _service(unit: Path) -> dict[str, str]:
    """Return the settings of a service. Of one that is set several times, the last: none of those asked for is."""
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit, encoding="utf-8")
    return dict(parser["Service"])

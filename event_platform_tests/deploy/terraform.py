"""Terraform on a copy of what is in deploy/terraform, with nothing of this machine's settings and no way to AWS."""

import json
import os
import shutil
import signal
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from event_platform_tests.support.s3 import ACCESS_KEY, REGION, SECRET_KEY

SOURCE = Path(__file__).parents[2] / "deploy" / "terraform"

#: Of the bucket that an environment's state is kept in.
STATE_BUCKET = "terraform-state"

_IGNORED = ("AWS_", "TF_", "EVENT_PLATFORM_")
#: Of whoever runs the tests, which tests themselves do not see: Terraform looks for providers below it.
_HOME = str(Path.home())

_REMEDY = "name a folder of providers in TF_PLUGIN_MIRROR, or let terraform init reach a registry"
#: What terraform init says where it is not what it reads that is wrong.
_NOTHING_TO_TEST_WITH = (
    "Failed to query available provider packages",
    "Failed to install provider",
    "Unsupported Terraform Core version",
)

#: Nobody listens there: whatever does not go to this machine goes nowhere.
_NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Terraform:
    """Terraform in one folder."""

    folder: Path
    variables: Mapping[str, str] = field(repr=False)

    def run(self, *arguments: str, expected: tuple[int, ...] = (0,), seconds: float = 420) -> str:
        """Run a command and return what it printed. Raises AssertionError with it where the exit code is another."""
        process = subprocess.Popen(
            ["terraform", *arguments],
            cwd=self.folder,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=seconds)
        except BaseException:  # providers are processes of their own, and would stay
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        assert process.returncode in expected, f"terraform {' '.join(arguments)}: {process.returncode}\n{output}"
        return output

    def show(self, plan: str) -> Any:
        """Return a plan as `terraform show -json` tells it."""
        return json.loads(self.run("show", "-json", plan).splitlines()[-1])

    def against(self, endpoint: str) -> "Terraform":
        """Return the same with an AWS that is at `endpoint`, and is the only one that can be reached."""
        emulated = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "HTTP_PROXY": _NOWHERE,
            "HTTPS_PROXY": _NOWHERE,
        }
        return Terraform(self.folder, {**self.variables, **emulated})


def terraform_in(folder: Path, *, module: str = ".") -> Terraform:
    """Copy deploy/terraform to `folder` and return Terraform in it, or in one of its modules, with its providers.

    They come from the folder that TF_PLUGIN_MIRROR names, or else from where Terraform looks by itself. Skips the test,
    with the reason, where there is no Terraform or there are no providers.
    """
    if shutil.which("terraform") is None:
        pytest.skip("no terraform on the PATH: install 1.11 or later")
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    terraform = Terraform(folder / module, _variables(folder))
    with zipfile.ZipFile(
        terraform.folder / "stream_filter.zip", "w"
    ) as package:  # in place of what `make lambda` makes
        package.writestr("handler.py", "")
    try:
        terraform.run("init", "-backend=false", "-input=false", "-no-color", seconds=180)
    except subprocess.TimeoutExpired:
        pytest.skip(f"terraform init reached no provider in time: {_REMEDY}")
    except AssertionError as error:
        if not any(reason in str(error) for reason in _NOTHING_TO_TEST_WITH):
            raise
        pytest.skip(f"{_REMEDY}: {error}")
    return terraform


def _variables(folder: Path) -> dict[str, str]:
    """Return the environment of Terraform: this one, without what would make it do something else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_IGNORED)}
    settings = folder / "settings.tfrc"
    mirror = os.environ.get("TF_PLUGIN_MIRROR")
    source = f"provider_installation {{\n  filesystem_mirror {{\n    path = {json.dumps(mirror)}\n  }}\n}}\n"
    settings.write_text(source if mirror else "", encoding="utf-8")
    return {
        **kept,
        "HOME": _HOME,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "TF_CLI_CONFIG_FILE": str(settings),
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
        "GOGC": "400",  # collecting garbage takes a quarter of the CPU of a provider, and memory there is
    }


def with_state_in(terraform: Terraform, endpoint: str, environment: str) -> Terraform:
    """Return Terraform with an AWS at `endpoint`, and an environment's state in a bucket there, locked as on AWS."""
    against = terraform.against(endpoint)
    # All of one address, where AWS has a name for each bucket.
    override = 'provider "aws" {\n  s3_use_path_style = true\n}\n'
    (against.folder / "emulator_override.tf").write_text(override, encoding="utf-8")
    backend = {"bucket": STATE_BUCKET, "key": f"{environment}.tfstate", "region": REGION, "use_path_style": "true"}
    settings = [f"-backend-config={name}={value}" for name, value in backend.items()]
    against.run("init", "-reconfigure", "-input=false", "-no-color", *settings)
    return against

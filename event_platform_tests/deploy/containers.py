"""The containers of the image without an engine: their commands, in an environment like theirs, on 127.0.0.1 only."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.local_servers import free_port
from event_platform_tests.support import live
from event_platform_tests.support.live import PROJECT, Live, until

COMMANDS = PROJECT / "deploy" / "image" / "bin"


@dataclass
class Containers(Live):
    """Running containers. `home` is $DAGSTER_HOME of each of them."""

    code_port: int = field(default_factory=free_port)

    def start(self, program: str) -> None:
        """Start a container with a command of the image; what it prints goes to a file in `home`."""
        with (self.home / f"{program}.log").open("ab") as log:
            self.started[program] = subprocess.Popen(
                self.command(program), env=self.variables, stdout=log, stderr=subprocess.STDOUT
            )

    def has_code(self) -> bool:
        """Say whether the code location listens."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.code_port), timeout=5):
            return True
        return False

    def is_healthy(self, program: str) -> bool:
        """Say what the health check of the image says."""
        check = subprocess.run(
            self.command("healthy", program), env=self.variables, capture_output=True, check=False, timeout=300
        )
        return check.returncode == 0

    def command(self, name: str, *arguments: str) -> list[str]:
        """Return a command of the image, with ports of this machine for those of the container."""
        return ["sh", "-c", self.here((COMMANDS / name).read_text(encoding="utf-8")), name, *arguments]

    def here(self, text: str) -> str:
        """Return what a file of the image says, for this machine."""
        ports = {"0.0.0.0": "127.0.0.1", "3000": str(self.port), "4000": str(self.code_port)}  # noqa: S104
        for there, here in ports.items():
            text = text.replace(there, here)
        return text


@contextmanager
def containers(root: Path, variables: Mapping[str, str], dagster_yaml: str) -> Iterator[Containers]:
    """Run the code location, the webserver and the daemon below `root`; end all of it afterwards."""
    home = root / "dagster_home"
    home.mkdir()
    (home / "dagster.yaml").write_text(dagster_yaml, encoding="utf-8")
    settings = {
        **variables,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DAGSTER_HOME": str(home),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "DAGSTER_CODE_LOCATION_HOST": "127.0.0.1",
    }
    instance = Containers(home, settings, free_port())
    workspace = (PROJECT / "deploy" / "aws" / "workspace.yaml").read_text(encoding="utf-8")
    (home / "workspace.yaml").write_text(instance.here(workspace), encoding="utf-8")
    try:
        instance.start("code-location")
        until(instance.has_code, "the code location serves", instance, pause=1)
        # One after the other: on a busy machine Dagster fails where two processes make its tables at once.
        instance.start("webserver")
        until(instance.is_serving, "the webserver serves", instance, pause=1)
        # A run that a sensor asks for is a task that nobody does, and all others would wait for it.
        live.switch_automation_off(instance)
        instance.start("daemon")
        yield instance
    finally:
        live.end(instance)

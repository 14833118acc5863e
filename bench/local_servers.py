"""Servers on this machine, for measurements and tests: a free port, and Debian's PostgreSQL in a temporary folder."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

#: The server refuses to be root; this user can do nothing else.
_UNPRIVILEGED = "nobody"


def free_port() -> int:
    """Return a port on 127.0.0.1 that nobody listens on, and that nobody who asks for any port gets for a minute.

    For so long Linux keeps the port of a connection that its server has ended for those who name it.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = listener.getsockname()
        with socket.create_connection(address), listener.accept()[0] as server:
            server.close()
        return int(address[1])


@dataclass(frozen=True)
class Postgres:
    """A database, empty at first."""

    port: int
    home: Path
    host: str = "127.0.0.1"
    user: str = "dagster"
    password: str = "made-up"  # noqa: S105 - of a server that only this machine reaches
    database: str = "dagster"

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that the profile in deploy/postgres asks for."""
        return {
            "DAGSTER_POSTGRES_HOST": self.host,
            "DAGSTER_POSTGRES_PORT": str(self.port),
            "DAGSTER_POSTGRES_USER": self.user,
            "DAGSTER_POSTGRES_PASSWORD": self.password,
            "DAGSTER_POSTGRES_DB": self.database,
        }

    def stored_bytes(self) -> int:
        """Return the size of the server's folder."""
        return sum(path.stat().st_size for path in self.home.rglob("*") if path.is_file())


def programs() -> Path | None:
    """Return the folder of the newest server on this machine, or None."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return max(found, key=lambda folder: int(folder.parent.name), default=None)


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Run a server with an empty database. Raises FileNotFoundError where none is installed."""
    folder = programs()
    if folder is None:
        raise FileNotFoundError("/usr/lib/postgresql: no server; Debian's package is postgresql")
    user = _UNPRIVILEGED if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        if user:
            os.chown(home, pwd.getpwnam(user).pw_uid, -1)
        server = Postgres(free_port(), home)
        _create(folder, home, server, user)
        options = f"-p {server.port} -c listen_addresses={server.host} -c unix_socket_directories={home}"
        control = [folder / "pg_ctl", "-D", home / "data", "-w", "-l", home / "log"]
        _run([*control, "-o", options, "start"], home, user)
        try:
            _run([folder / "createdb", "-h", home, "-p", server.port, "-U", server.user, server.database], home, user)
            yield server
        finally:
            _run([*control, "-m", "fast", "stop"], home, user)
    finally:
        shutil.rmtree(home)


def _create(folder: Path, home: Path, server: Postgres, user: str | None) -> None:
    password = home / "password"
    password.write_text(server.password, encoding="utf-8")
    password.chmod(0o644)
    trusts = ["--auth-local=trust", "--auth-host=scram-sha-256", "-U", server.user, f"--pwfile={password}"]
    _run([folder / "initdb", "-D", home / "data", "-E", "UTF8", "--locale=C.UTF-8", *trusts], home, user)


def _run(command: list[object], home: Path, user: str | None) -> None:
    # Not captured: the server would keep the pipe open, and nobody would see its end.
    subprocess.run(  # noqa: S603 - programs of the server
        [str(each) for each in command], check=True, cwd=home, user=user, stdout=subprocess.DEVNULL
    )

"""An Azure Blob Storage of our own: Azurite, a Node.js program, on this machine."""

import base64
import hashlib
import hmac
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from bench.local_servers import free_port

SERVER = Path(__file__).parents[2] / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"

ACCOUNT = "devstoreaccount1"
#: Which Azurite has for everyone.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

_VERSION = "2021-08-06"  # of the protocol


@contextmanager
def azurite() -> Iterator[str]:
    """Run a server on a free port, in memory, and return its address."""
    port = free_port()
    options = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence"]
    command = ["node", str(SERVER), *options, "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        for _ in range(6_000):  # five minutes: on a busy machine a process takes its time to start
            assert server.poll() is None
            try:
                urllib.request.urlopen(endpoint, timeout=5).close()
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.05)
        yield endpoint
    finally:
        server.kill()  # what it holds is in memory
        server.wait()


def use_azure(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Set the standard variables of Azure so that everything talks to `endpoint`."""
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", f"{endpoint}/{ACCOUNT}")


def new_container(endpoint: str) -> str:
    """Make an empty container and return its name. obstore cannot, so the request is signed here."""
    name, date = f"events-{uuid.uuid4().hex[:12]}", format_datetime(datetime.now(UTC), usegmt=True)
    headers = f"x-ms-date:{date}\nx-ms-version:{_VERSION}"
    to_sign = f"PUT{chr(10) * 12}{headers}\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    digest = hmac.new(base64.b64decode(KEY), to_sign.encode(), hashlib.sha256).digest()
    request = urllib.request.Request(  # noqa: S310 - always our own http address
        f"{endpoint}/{ACCOUNT}/{name}?restype=container",
        method="PUT",
        headers={
            "x-ms-date": date,
            "x-ms-version": _VERSION,
            "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}",
            "Content-Length": "0",
        },
    )
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - the same
    return name

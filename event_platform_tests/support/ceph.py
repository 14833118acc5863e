"""An S3 that checks signatures: Ceph's gateway, with one monitor and one store, in a temporary folder, on 127.0.0.1."""

import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.local_servers import free_port

_PROGRAMS = ("ceph-mon", "ceph-osd", "ceph", "radosgw", "radosgw-admin", "monmaptool")

#: Nobody is asked who they are within: it is reached from this machine alone. Small, quick, and never written to disk.
_CONFIGURATION = """[global]
fsid = {fsid}
mon_host = v1:127.0.0.1:{port}
mon_initial_members = a
public_network = 127.0.0.0/8
ms_bind_msgr2 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_osd_min_in_ratio = 0
mon_data_avail_crit = 0
mon_data_avail_warn = 0
run_dir = {home}
log_file = {home}/$name.log
log_to_stderr = false
admin_socket = {home}/$name.asok
keyring = {home}/keyring

[mon.a]
mon_data = {home}/mon
mon_addr = 127.0.0.1:{port}

[osd.0]
osd_data = {home}/osd
osd_journal = {home}/osd/journal
osd_objectstore = memstore
memstore_device_bytes = 2147483648
osd_memory_target = 939524096

[client.rgw]
rgw_data = {home}/rgw
rgw_run_sync_thread = false
rgw_enable_usage_log = false
rgw_gc_max_objs = 1
rgw_bucket_index_max_aio = 1
rgw_override_bucket_index_max_shards = 1
rgw_thread_pool_size = 64
"""


_NOT_YET = "problem getting command descriptions"


@dataclass(frozen=True)
class Ceph:
    """A gateway that runs, and its only user."""

    endpoint: str
    access_key: str = "AKIACEPHSHOWNNOWHERE"
    secret_key: str = "cEpHsEcReTshownNowhere000000000000000001"

    @property
    def variables(self) -> dict[str, str]:
        """The AWS variables to reach it with."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
        }


def missing() -> list[str]:
    """Return the programs that are not on this machine."""
    return [program for program in _PROGRAMS if shutil.which(program) is None]


@contextmanager
def ceph() -> Iterator[Ceph]:
    """Run it, with nothing in it. All of its processes end with the context. Raises AssertionError with its logs."""
    home = Path(tempfile.mkdtemp(prefix="ceph-"))
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        yield _started(home, daemons)
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(home, ignore_errors=True)


def _started(home: Path, daemons: "list[subprocess.Popen[bytes]]") -> Ceph:
    fsid, port = str(uuid.uuid4()), free_port()
    configuration = home / "ceph.conf"
    configuration.write_text(_CONFIGURATION.format(fsid=fsid, port=port, home=home), encoding="utf-8")
    for folder in ("mon", "osd", "rgw"):
        (home / folder).mkdir()

    def run(*command: str) -> str:
        setting = ["-c", str(configuration)] if command[0].startswith(("ceph", "rados")) else []
        for _ in range(60):
            done = subprocess.run(
                [command[0], *setting, *command[1:]], capture_output=True, text=True, timeout=180, check=False
            )
            # On a busy machine a client may be answered before the monitor has told it where it is.
            if _NOT_YET not in done.stderr:
                break
            time.sleep(0.5)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}{_logs(home)}"
        return done.stdout

    def start(*command: str) -> None:
        daemons.append(
            subprocess.Popen(
                [command[0], "-c", str(configuration), "-f", *command[1:]],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "CEPH_CONF": str(configuration)},
            )
        )

    run("monmaptool", "--create", "--addv", "a", f"[v1:127.0.0.1:{port}]", "--fsid", fsid, str(home / "monmap"))
    run("ceph-mon", "--mkfs", "-i", "a", "--monmap", str(home / "monmap"))
    start("ceph-mon", "-i", "a")
    identity = str(uuid.uuid4())
    run("ceph", "osd", "new", identity, "0")
    run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", identity)
    start("ceph-osd", "-i", "0")
    deadline = time.monotonic() + 180
    while "1 up" not in run("ceph", "osd", "stat"):  # what is made before waits, and not only for this
        assert time.monotonic() < deadline, f"the store does not come up{_logs(home)}"
        if daemons[-1].poll() is not None:  # on a busy machine it may ask before it knows the cluster: "wrong fsid"
            start("ceph-osd", "-i", "0")
        time.sleep(0.2)
    keys = ["--access-key", Ceph.access_key, "--secret-key", Ceph.secret_key]
    run("radosgw-admin", "-n", "client.rgw", "user", "create", "--uid", "platform", "--display-name", "platform", *keys)
    # Not sooner: others look for free ports as well, and it takes some seconds until here.
    server = Ceph(f"http://127.0.0.1:{free_port()}")
    start("radosgw", "-n", "client.rgw", f"--rgw-frontends=beast endpoint={server.endpoint.removeprefix('http://')}")
    while not _answers(server.endpoint):
        assert all(daemon.poll() is None for daemon in daemons), _logs(home)
        assert time.monotonic() < deadline, f"no answer from {server.endpoint}{_logs(home)}"
        time.sleep(0.2)
    return server


def _answers(endpoint: str) -> bool:
    try:
        urllib.request.urlopen(endpoint, timeout=5).close()  # noqa: S310 - always our own http address
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _logs(home: Path) -> str:
    return "\n".join(f"\n{path.name}:\n{path.read_text(errors='replace')[-1500:]}" for path in home.glob("*.log"))

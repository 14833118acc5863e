"""A Dask cluster to run tasks on: the same tasks, on many machines.

Only what a task needs to find its data travels there: credentials do not. This module imports neither polars nor what
tasks need, so that a worker can be prepared for them first.
"""

import gc
import hashlib
import io
import os
import pickle
import platform
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import boto3
from dask.utils import funcname
from distributed import Client

from event_platform.events.errors import ClusterError, SettingError
from event_platform.storage.bucket import BucketStore
from event_platform.storage.s3 import lasting_keys
from event_platform.storage.storage import Storage

#: Seconds to wait for a scheduler, and then for a worker.
PATIENCE = 10

#: What has to be the same everywhere. Polars' hashes differ between versions, and tell which task a record is in.
_SAME = ("event-platform", "polars", "pyarrow", "deltalake", "msgspec", "distributed")

_CREDENTIALS = {"access_key_id", "secret_access_key", "token"}

T = TypeVar("T")


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """Offer the cluster of the scheduler at `address` as an executor. Nothing is sent before the first task.

    To submit a task raises ClusterError where the cluster does not answer; a task raises SettingError where its worker
    has other versions than this process, or no credentials, and is cancelled where the scheduler goes away. One whose
    worker dies is done again by another, three times if need be: it writes files of its own, which only the driver
    commits.
    """
    executor = _Cluster(address)
    try:
        yield executor
    finally:
        executor.shutdown()


class _Cluster(Executor):
    """Tasks on a cluster. A scheduler that was lost is looked for anew with the next task."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client: Client | None = None

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        if self._client is None or self._client.status in {"closing", "closed"}:
            self._client = _connect(self._address)
        # A key of its own: Dask does tasks with equal keys once, and by itself gives equal arguments equal keys.
        key = f"{funcname(fn)}-{uuid.uuid4().hex}"
        future: Future[T] = self._client.get_executor().submit(pickle.loads, _packed((fn, args, kwargs)), key=key)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Forget all tasks: the cluster drops those that have not begun."""
        if self._client is not None:
            self._client.close()


class _Pickler(pickle.Pickler):
    """Leaves credentials out: what the scheduler holds may be read by whoever reaches it."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Storage) and not obj.is_local:
            return _open_storage, (obj.root, _without_credentials(obj.options))
        if isinstance(obj, BucketStore):
            return BucketStore, (obj.root, _without_credentials(obj.options), obj.patience)
        return NotImplemented


@dataclass(frozen=True)
class _Call:
    """A call that is made where it is unpickled."""

    call: bytes
    versions: Mapping[str, str]

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[bytes, Mapping[str, str]]]:
        return _make, (self.call, self.versions)


def _packed(call: tuple[Callable[..., Any], tuple[Any, ...], Mapping[str, Any]]) -> bytes:
    """Return a call in one piece: to unpickle it is to make it.

    So the scheduler does not take it apart, and a worker that lacks this package fails in the task, and says so. With
    a function or class of ours in its place, it would fail to read the scheduler's message, and end without a word.
    """
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(call)
    return pickle.dumps(_Call(buffer.getvalue(), versions()), pickle.HIGHEST_PROTOCOL)


def _make(call: bytes, driver: Mapping[str, str]) -> Any:
    """Make a call that came from another process, if this one has the same versions; return its result."""
    _prepare()
    others = differences(versions(), driver)
    if others:
        raise SettingError(
            "EVENT_PLATFORM_COMPUTE: expected the same versions on every machine; the worker on "
            f"{platform.node()} has {'; '.join(others)}"
        )
    function, args, kwargs = pickle.loads(call)  # noqa: S301 - by _packed, from the driver
    return function(*args, **kwargs)


@lru_cache(maxsize=1)
def _prepare() -> None:
    """Do what a process of the local pool does before its first task; see compute for the reasons."""
    os.environ.setdefault("POLARS_MAX_THREADS", "1")  # polars is not imported yet, and looks once
    gc.set_threshold(1_000_000)


def differences(worker: Mapping[str, str], driver: Mapping[str, str]) -> list[str]:
    """Return in words which versions of a worker are not those of its driver."""
    return [
        f"{name} {worker.get(name)}, the driver {there}" for name, there in driver.items() if worker.get(name) != there
    ]


@lru_cache(maxsize=1)
def versions() -> Mapping[str, str]:
    """Return the versions that matter of this process; of Python the first two parts."""
    python, code = ".".join(platform.python_version_tuple()[:2]), _digest(Path(__file__).parents[1])
    return {"python": python, **{name: version(name) for name in _SAME}, "code of event-platform": code}


def _digest(package: Path) -> str:
    """Return a digest of a package's code: between two releases, there may be other code under the same version."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _without_credentials(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in _CREDENTIALS}


def _open_storage(root: str, options: Mapping[str, str]) -> Storage:
    """Return the storage with the credentials of this worker, which may be others than a minute ago."""
    if not root.startswith("s3://"):  # the variables of this worker say all that its libraries need
        return Storage(root, options)
    credentials = _session().get_credentials()
    if credentials is None:
        raise SettingError(f"{root}: a worker has no AWS credentials; give it AWS_PROFILE, a role or AWS_ACCESS_KEY_ID")
    return Storage(root, {**options, **lasting_keys(credentials)})


@lru_cache(maxsize=1)
def _session() -> boto3.Session:
    """One for each process: it asks for new credentials before the old ones expire."""
    return boto3.Session()


def _connect(address: str) -> Client:
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except OSError as error:
        raise ClusterError(
            f"EVENT_PLATFORM_COMPUTE: {address}: no scheduler answered within {PATIENCE} seconds; start one with "
            "`dask scheduler`, or set the variable to local"
        ) from error
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except OSError as error:  # a TimeoutError, or the scheduler has gone again
        client.close()
        raise ClusterError(
            f"EVENT_PLATFORM_COMPUTE: {address}: the scheduler had no worker within {PATIENCE} seconds; start some "
            f"with `dask worker {address} --nworkers … --nthreads 1`"
        ) from error
    return client

"""Run tasks on a Dask cluster.

Tasks are sent without credentials: workers use their own. This module imports neither polars nor the tasks, so that a
worker can set variables before polars is imported.
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

#: Packages that need the same version everywhere. Polars hashes assign records to tasks and differ between versions.
_SAME = ("event-platform", "polars", "pyarrow", "deltalake", "msgspec", "distributed")

_CREDENTIALS = {"access_key_id", "secret_access_key", "token"}

T = TypeVar("T")


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """Connect to the cluster of the scheduler at `address`, with the first task, and yield it as an executor.

    Submitting raises ClusterError if the cluster does not answer. A task raises SettingError if its worker has other
    versions or no credentials, and is cancelled if the scheduler disappears. If a worker dies, Dask retries its task on
    another one, up to three times; tasks only write new files, and the driver alone commits.
    """
    executor = _Cluster(address)
    try:
        yield executor
    finally:
        executor.shutdown()


class _Cluster(Executor):
    """Executor of a cluster. It reconnects with the next task if the scheduler was lost."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client: Client | None = None

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        if self._client is None or self._client.status in {"closing", "closed"}:
            self._client = _connect(self._address)
        # A unique key, because Dask runs tasks with equal keys (by default, equal arguments) once.
        key = f"{funcname(fn)}-{uuid.uuid4().hex}"
        future: Future[T] = self._client.get_executor().submit(pickle.loads, _pickle_call((fn, args, kwargs)), key=key)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Disconnect. The cluster drops tasks that have not begun."""
        if self._client is not None:
            self._client.close()


class _Pickler(pickle.Pickler):
    """Leaves out credentials, because anyone who reaches the scheduler can read tasks."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Storage) and not obj.is_local:
            return _open_storage, (obj.root, _without_credentials(obj.options))
        if isinstance(obj, BucketStore):
            return BucketStore, (obj.root, _without_credentials(obj.options), obj.patience)
        return NotImplemented


@dataclass(frozen=True)
class _Call:
    """A call that runs when it is unpickled."""

    call: bytes
    versions: Mapping[str, str]

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[bytes, Mapping[str, str]]]:
        return _execute_call, (self.call, self.versions)


def _pickle_call(call: tuple[Callable[..., Any], tuple[Any, ...], Mapping[str, Any]]) -> bytes:
    """Pickle a call so that unpickling executes it.

    On a worker without this package, the task then fails with an error. If the task itself were a function of this
    package, the worker could not read the scheduler's message and would exit silently.
    """
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(call)
    return pickle.dumps(_Call(buffer.getvalue(), versions()), pickle.HIGHEST_PROTOCOL)


def _execute_call(call: bytes, driver: Mapping[str, str]) -> Any:
    """Execute a call from another process if the versions match, and return its result."""
    _prepare()
    other_versions = differences(versions(), driver)
    if other_versions:
        raise SettingError(
            "EVENT_PLATFORM_COMPUTE: expected the same versions on every machine; the worker on "
            f"{platform.node()} has {'; '.join(other_versions)}"
        )
    function, args, kwargs = pickle.loads(call)  # noqa: S301 - by _pickle_call, from the driver
    return function(*args, **kwargs)


@lru_cache(maxsize=1)
def _prepare() -> None:
    """Prepare the process like a worker of the local pool (see `pool`)."""
    os.environ.setdefault("POLARS_MAX_THREADS", "1")  # read once, when polars is imported
    gc.set_threshold(1_000_000)


def differences(worker: Mapping[str, str], driver: Mapping[str, str]) -> list[str]:
    """Describe the versions in which a worker differs from the driver."""
    return [
        f"{name} {worker.get(name)}, the driver {driver_version}"
        for name, driver_version in driver.items()
        if worker.get(name) != driver_version
    ]


@lru_cache(maxsize=1)
def versions() -> Mapping[str, str]:
    """Return the versions that must be equal; of Python only the first two parts."""
    python, code = ".".join(platform.python_version_tuple()[:2]), _digest(Path(__file__).parents[1])
    return {"python": python, **{name: version(name) for name in _SAME}, "code of event-platform": code}


def _digest(package: Path) -> str:
    """Return a digest of a package's code, which may differ under the same version between releases."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _without_credentials(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in _CREDENTIALS}


def _open_storage(root: str, options: Mapping[str, str]) -> Storage:
    """Return the storage with the current credentials of this worker."""
    if not root.startswith("s3://"):  # the libraries read the variables of this worker themselves
        return Storage(root, options)
    credentials = _session().get_credentials()
    if credentials is None:
        raise SettingError(f"{root}: a worker has no AWS credentials; give it AWS_PROFILE, a role or AWS_ACCESS_KEY_ID")
    return Storage(root, {**options, **lasting_keys(credentials)})


@lru_cache(maxsize=1)
def _session() -> boto3.Session:
    """Return this process's session, which renews credentials before they expire."""
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

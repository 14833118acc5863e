"""The executor that EVENT_PLATFORM_COMPUTE names."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from event_platform.compute.pool import local_pool
from event_platform.environment import LOCAL_COMPUTE
from event_platform.events.errors import SettingError


@contextmanager
def open_executor(compute: str, workers: int | None = None) -> Iterator[Executor]:
    """Open the executor of EVENT_PLATFORM_COMPUTE: a local pool with `workers` processes, or a cluster.

    Raises SettingError if the extra for a cluster is not installed. For errors of its tasks, see `cluster`.
    """
    if compute == LOCAL_COMPUTE:
        with local_pool(workers) as pool:
            yield pool
        return
    try:
        from event_platform.compute.dask import cluster  # noqa: PLC0415 - it is an extra, and takes a second
    except ModuleNotFoundError as error:
        raise SettingError(
            f"EVENT_PLATFORM_COMPUTE: {compute}: {error.name} is not installed; "
            "a cluster takes the extra dask: pip install 'event-platform[dask]'"
        ) from error
    with cluster(compute) as executor:
        yield executor

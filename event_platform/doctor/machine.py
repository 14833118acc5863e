"""Checks of the memory and disk of this machine."""

import os
import shutil
import tempfile
from pathlib import Path

from event_platform.doctor.finding import Finding, bad, good, skipped
from event_platform.environment import LOCAL_COMPUTE, Environment

#: Gigabytes, measured in docs/explanation/scale.md: a worker with its tasks, and a search for duplicates.
_A_WORKER, _A_SEARCH = 0.8, 0.6

#: Gigabytes that must be free for the tables, and for temporary files.
_FREE = 1.0

_GIGA = 1e9
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def check_memory(environment: Environment, total: float | None, workers: int) -> Finding:
    """Check that a pool of `workers` processes fits into `total` gigabytes of memory (None if unknown)."""
    name = "memory"
    if environment.compute != LOCAL_COMPUTE:
        return skipped(name, "tasks run on the cluster")
    if total is None:
        return skipped(name, "the size of the memory is not known")
    needed = workers * _A_WORKER + _A_SEARCH
    memory = f"{total:.1f} GB for {workers} workers, which need up to {needed:.1f} GB"
    if total < needed:
        return bad(name, memory, "give this machine or task more memory, or fewer CPUs: each CPU has a worker")
    return good(name, memory)


def check_disk(environment: Environment) -> Finding:
    """Check the free space in the folders that this machine writes to."""
    name = "disk"
    folders = {_existing(Path(uri)) for uri in (tempfile.gettempdir(), environment.lake) if "://" not in uri}
    free = {folder: shutil.disk_usage(folder).free / _GIGA for folder in folders}
    folder, least = min(free.items(), key=lambda item: item[1])
    space = f"{least:.1f} GB free at {folder}"
    return good(name, space) if least >= _FREE else bad(name, space, f"free at least {_FREE:g} GB")


def memory_of_this_machine() -> float | None:
    """Return the gigabytes that processes may use: of the machine, or of the container if that has less."""
    try:
        pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
    limits = [path.read_text(encoding="ascii").strip() for path in _LIMITS if path.is_file()]
    return min([pages, *(int(limit) for limit in limits if limit.isdecimal())]) / _GIGA


def _existing(path: Path) -> Path:
    """Return the folder, or the nearest parent that exists."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())

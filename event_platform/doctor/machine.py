"""Checks of this machine: memory and disk, as far as tasks run here."""

import os
import shutil
import tempfile
from pathlib import Path

from event_platform.doctor.finding import Finding, bad, good, left_out
from event_platform.environment import LOCAL_COMPUTE, Environment

#: Gigabytes of a worker with its tasks, and of one search for duplicates, as measured in docs/explanation/scale.md.
_A_WORKER, _A_SEARCH = 0.8, 0.6

#: Gigabytes that have to be free where tables are, and where programs put what passes.
_FREE = 1.0

_GIGA = 1e9
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def check_memory(environment: Environment, total: float | None, workers: int) -> Finding:
    """Tell whether a pool with so many workers fits into `total` gigabytes; None is for what is not known."""
    name = "memory"
    if environment.compute != LOCAL_COMPUTE:
        return left_out(name, "tasks run on the cluster")
    if total is None:
        return left_out(name, "this system does not tell how much there is")
    needed = workers * _A_WORKER + _A_SEARCH
    told = f"{total:.1f} GB for {workers} workers, which take up to {needed:.1f} GB"
    if total < needed:
        return bad(name, told, "give this machine or task more memory, or fewer CPUs: there is a worker for each")
    return good(name, told)


def check_disk(environment: Environment) -> Finding:
    """Tell whether there is room where something is written on this machine."""
    name = "disk"
    places = {_existing(Path(place)) for place in (tempfile.gettempdir(), environment.lake) if "://" not in place}
    free = {place: shutil.disk_usage(place).free / _GIGA for place in places}
    place, least = min(free.items(), key=lambda item: item[1])
    told = f"{least:.1f} GB free at {place}"
    return good(name, told) if least >= _FREE else bad(name, told, f"free some: {_FREE:g} GB is the least to work with")


def memory_of_this_machine() -> float | None:
    """Return the gigabytes that processes here may use: the machine's, or the container's where that is less."""
    try:
        pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
    limits = [path.read_text(encoding="ascii").strip() for path in _LIMITS if path.is_file()]
    return min([pages, *(int(limit) for limit in limits if limit.isdecimal())]) / _GIGA


def _existing(path: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    return next(each for each in (path, *path.parents) if each.is_dir())

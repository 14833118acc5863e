"""The machine of a measurement."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

#: Packages of the platform that do the work.
_PACKAGES = ("dagster", "deltalake", "polars", "msgspec", "isal")


def machine() -> dict[str, Any]:
    """Return cores, memory in bytes, processor, operating system, load average and versions."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": os.getloadavg()[0],
        "versions": {"Python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
    }


def _processor() -> str:
    named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return named[1] if named else platform.machine()

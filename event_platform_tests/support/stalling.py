"""Loaded by a Dask worker that is to be killed: it does a task, writes its files, and never says so.

    STALL_IN=event_platform.pipeline.loading.tasks:load_objects STALL_MARK=<file> dask worker … --preload <this module>

The file is there once it stalls.
"""

import importlib
import os
import threading
from pathlib import Path
from typing import Any


def dask_setup(_worker: Any) -> None:
    """Stall at the end of the task that STALL_IN names."""
    name, _, function = os.environ["STALL_IN"].partition(":")
    module = importlib.import_module(name)
    task = getattr(module, function)

    def stalled(*arguments: Any) -> None:
        task(*arguments)
        Path(os.environ["STALL_MARK"]).touch()
        threading.Event().wait()

    setattr(module, function, stalled)

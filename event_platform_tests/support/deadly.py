"""What a worker does that is killed. It imports little: each worker that takes the place of another imports it."""

import os
import signal

from event_platform.lake.lake import Lake
from event_platform.landing.landing import LandedObject
from event_platform.pipeline.loading.objects import ObjectSource
from event_platform.pipeline.loading.record_writer import LoadResult
from event_platform.pipeline.loading.tasks import load_objects
from event_platform.pipeline.sizing import Sizing


def load_or_die(lake: Lake, source: ObjectSource, sizing: Sizing, objects: list[LandedObject]) -> LoadResult:
    """Load objects; end the process at one that is called so."""
    if any(landed.name.endswith("deadly") for landed in objects):
        os.kill(os.getpid(), signal.SIGKILL)
    return load_objects(lake, source, sizing, objects)

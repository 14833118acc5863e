"""What a worker does that is killed. It imports little: each worker that takes the place of another imports it."""

import os
import signal

from event_platform.landing.landing import LandedObject
from event_platform.pipeline.loading.tasks import Loaded, Loading, load_objects


def load_or_die(loading: Loading, objects: list[LandedObject]) -> Loaded:
    """Load objects; end the process at one that is called so."""
    if any(landed.name.endswith("deadly") for landed in objects):
        os.kill(os.getpid(), signal.SIGKILL)
    return load_objects(loading, objects)

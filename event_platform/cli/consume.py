"""`event-platform consume`: a Kinesis stream → objects in landing."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from event_platform.cli.output import ERR, OUT
from event_platform.environment import Environment
from event_platform.events.errors import OwnershipError, SettingError
from event_platform.storage.opening import open_store
from event_platform.storage.store import require_conditional_put
from event_platform.stream.checkpoints import Checkpoints
from event_platform.stream.consume import Consumer, new_owner
from event_platform.stream.kinesis import connect, describe_stream
from event_platform.stream.reader import Limits

#: One per shard: shards that share a connection wait for each other, and idle connections cost nothing.
_CONNECTIONS = 100


def land_stream(
    environment: Environment, name: str, checkpoints: str | None, limits: Limits, max_shards: int, lease_seconds: float
) -> int:
    """Land the records of a stream until SIGTERM, SIGINT or the end of the stream; return the exit code."""
    location = checkpoints_beside(environment.landing) if checkpoints is None else checkpoints.rstrip("/")
    _check_outside(location, environment.landing)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("event_platform").setLevel(logging.INFO)
    store = open_store(location)
    require_conditional_put(store)
    stream = describe_stream(connect(_CONNECTIONS), name)
    with _stopping() as stop:
        consumer = Consumer(
            stream,
            open_store(environment.landing),
            Checkpoints(store, stream.identity, new_owner(), lease_seconds),
            limits,
            max_shards,
            stop,
        )
        try:
            totals = consumer.run()
        except OwnershipError as error:
            ERR.print(str(error), markup=False, highlight=False, soft_wrap=True)
            return 1
    OUT.print(
        f"{totals.records:,} records of {totals.shards:,} shards landed in {totals.objects:,} objects, "
        f"{totals.bytes_landed / 1e6:,.1f} MB compressed; checkpoints are in {location}/{stream.identity}",
        markup=False,
        soft_wrap=True,
    )
    return 0


def checkpoints_beside(landing: str) -> str:
    """Return the default folder of checkpoints, beside landing so that they are not loaded as events."""
    if "/" not in landing.partition("://")[2] and "://" in landing:
        raise SettingError(
            f"EVENT_PLATFORM_LANDING: {landing} is a whole bucket, with nothing beside it; set --checkpoints "
            "to a folder, or to a prefix of another bucket"
        )
    return f"{landing}-checkpoints"


def _check_outside(checkpoints: str, landing: str) -> None:
    if f"{checkpoints}/".startswith(f"{landing}/"):
        raise SettingError(
            f"--checkpoints {checkpoints}: must not be in {landing}, where they would be loaded as events"
        )


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Yield an event that is set on SIGTERM or SIGINT."""
    stop = threading.Event()

    def ask(*_: object) -> None:
        # In a thread: the interrupted thread may hold the lock of the event, and would wait for itself for ever.
        threading.Thread(target=stop.set).start()

    signals = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, ask) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

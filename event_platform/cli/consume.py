"""`event-platform consume`."""

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
from event_platform.stream.kinesis import connect, find
from event_platform.stream.reader import Limits

#: Shards that share a connection would wait for each other; idle connections cost nothing.
_CONNECTIONS = 100


def land_stream(
    environment: Environment, name: str, checkpoints: str | None, limits: Limits, max_shards: int, lease_seconds: float
) -> int:
    """Land what a stream holds until SIGTERM or SIGINT, or to its tip; return the exit code."""
    uri = checkpoints_beside(environment.landing) if checkpoints is None else checkpoints.rstrip("/")
    _check_outside(uri, environment.landing)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("event_platform").setLevel(logging.INFO)
    checkpoint_store = open_store(uri)
    require_conditional_put(checkpoint_store)
    stream = find(connect(_CONNECTIONS), name)
    with _stopping() as stop:
        consumer = Consumer(
            stream,
            open_store(environment.landing),
            Checkpoints(checkpoint_store, stream.identity, new_owner(), lease_seconds),
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
        f"{totals.bytes_landed / 1e6:,.1f} MB of gzip; checkpoints are in {uri}/{stream.identity}",
        markup=False,
        soft_wrap=True,
    )
    return 0


def checkpoints_beside(landing: str) -> str:
    """Return where checkpoints are by default: beside landing, where nothing takes them for data."""
    if "/" not in landing.partition("://")[2] and "://" in landing:
        raise SettingError(
            f"EVENT_PLATFORM_LANDING: {landing} is a whole bucket, with nothing beside it; give --checkpoints "
            "a folder, or a prefix of another bucket"
        )
    return f"{landing}-checkpoints"


def _check_outside(checkpoints: str, landing: str) -> None:
    if f"{checkpoints}/".startswith(f"{landing}/"):
        raise SettingError(f"--checkpoints {checkpoints}: in {landing}, where they would be taken for events")


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def ask(*_: object) -> None:
        # In a thread: this one may be at the event itself, and would wait for ever for what it holds.
        threading.Thread(target=stop.set).start()

    signals = (signal.SIGTERM, signal.SIGINT)
    before = {each: signal.signal(each, ask) for each in signals}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)

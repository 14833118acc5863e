"""The queue of the events that the filter drops, for code that loads them into the lake."""

from event_platform.events.errors import StorageError
from event_platform.storage.queue import Queue


def redeliveries_queue(url: str | None) -> Queue | None:
    """Return the queue of the filter, None without an address. Sends no request."""
    return None if url is None else Queue(url, "EVENT_PLATFORM_REDELIVERIES_QUEUE")


def are_redeliveries_waiting(queue: Queue | None) -> bool:
    """Return whether any messages are waiting; True if a queue does not answer, so that taking them reports why."""
    try:
        return queue is not None and queue.state().waiting_messages > 0
    except StorageError:
        return True

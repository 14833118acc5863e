"""What holds of every place that a consumer writes to."""

import threading

from event_platform.storage.store import ChangedError, Store


def assert_one_wins(store: Store) -> None:
    """Of many who replace the same thing at once, whoever is told so is the one that is there."""
    tag = store.swap("x.json", b"begin", None)
    won = []

    def swap(number: int) -> None:
        try:
            store.swap("x.json", b"%d" % number, tag)
        except ChangedError:
            return
        won.append(number)

    threads = [threading.Thread(target=swap, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = store.read_tagged("x.json")
    assert stored is not None
    assert [b"%d" % number for number in won] == [stored[0]]

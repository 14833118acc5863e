"""Verdicts on partitions built with other rules, cached by the process so that it reads their rows once."""

from collections import OrderedDict
from datetime import date
from threading import Lock
from typing import NamedTuple

#: Minimum number of rows that a partition takes from the budget.
_LEAST_ROWS = 1_000

_MOST_VERDICTS = 200_000

#: A table, its day, the fingerprints of its build rules and of the present rules, and the fingerprint of its files.
PartitionKey = tuple[str, date, int, int, int]


class Verdict(NamedTuple):
    """Whether the rows of a partition would differ."""

    reason: str  # why they would; empty if they would not
    moves_events: bool = False  # its events are in another table, or it has events of another table


class Verdicts:
    """Cached verdicts of this process: a partition with the same files is not examined again."""

    def __init__(self) -> None:
        """Begin without verdicts."""
        self._verdicts: OrderedDict[PartitionKey, Verdict] = OrderedDict()
        self._lock = Lock()  # sensors are evaluated side by side

    def get(self, key: PartitionKey) -> Verdict | None:
        """Return the verdict of a partition, if there is one."""
        return self._verdicts.get(key)

    def add(self, key: PartitionKey, verdict: Verdict) -> None:
        """Cache a verdict, and drop the oldest one if there are too many."""
        with self._lock:
            self._verdicts[key] = verdict
            if len(self._verdicts) > _MOST_VERDICTS:
                self._verdicts.popitem(last=False)

    def clear(self) -> None:
        """Drop all verdicts."""
        self._verdicts.clear()


VERDICTS = Verdicts()


class Budget:
    """Number of rows that may still be examined; None is unlimited."""

    def __init__(self, rows: int | None) -> None:
        """Begin with this many rows."""
        self._rows = rows

    def take(self, rows: int) -> bool:
        """Return whether a partition with `rows` rows may be examined; the last one may exceed the budget."""
        if self._rows is None:
            return True
        if self._rows <= 0:
            return False
        self._rows -= max(rows, _LEAST_ROWS)
        return True

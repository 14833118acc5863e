"""Landing: the objects that Firehose delivered. They are listed and read, never written, moved or deleted."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TypeVar

from event_platform.events.errors import AccessError, LandingError, MissingError, StorageError, UnreadableError
from event_platform.landing.names import date_in, is_hidden, printable
from event_platform.landing.omissions import Omissions
from event_platform.storage.store import Store

T = TypeVar("T")


@dataclass(frozen=True)
class LandedObject:
    """One object as the listing shows it. `name` is its path below the root of landing."""

    name: str
    size: int  # bytes
    etag: str  # changes whenever the content does
    arrival_date: date
    dated: bool = True  # the path says when it arrived; otherwise the store's last-modified day does


@dataclass(frozen=True)
class Survey:
    """Which days have a folder, and every object that is outside the folders of days."""

    days: frozenset[date]
    outside: list[LandedObject]


class Landing(ABC):
    """A folder or a prefix of a bucket that objects land in."""

    @property
    @abstractmethod
    def store(self) -> Store:
        """The store that the objects are read from."""

    @abstractmethod
    def survey(self, omissions: Omissions) -> Survey:
        """List everything but what is in the folders of days. Raises LandingError."""

    @abstractmethod
    def list_days(self, days: Collection[date], omissions: Omissions) -> Iterator[tuple[date, list[LandedObject]]]:
        """Yield each of some days, in order, with the objects in its folder. Raises LandingError.

        A day is listed when it is asked for: whoever stops in between pays for no more.
        """

    @abstractmethod
    def list_all(self, omissions: Omissions) -> Iterator[LandedObject]:
        """Yield every object, in no particular order. Raises LandingError."""

    def list_objects(
        self, arrival_dates: Iterable[date] | None = None, omissions: Omissions | None = None
    ) -> Iterator[LandedObject]:
        """Yield the objects that arrived on the given dates (all without them), in no particular order.

        Left out are empty objects, and hidden ones, as Hive and Spark do: any part of the name begins with `.` or `_`
        and holds no `=`. `omissions` tells of these, and of what could not be listed, which does not stop the others;
        without it, that is raised in the end. Raises LandingError where landing as a whole cannot be listed.
        """
        skipped = Omissions() if omissions is None else omissions
        yield from self.list_all(skipped) if arrival_dates is None else self._of_days(set(arrival_dates), skipped)
        if omissions is None:
            for fault in skipped.faults.values():
                raise fault

    def read(self, name: str) -> bytes:
        """Return the content of an object. Raises LandingError naming it where that fails.

        It is an UnreadableError where the others may well be read.
        """
        return _as_landing_error(lambda: self.store.read(name))

    def read_range(self, name: str, start: int, size: int) -> bytes:
        """Return so many bytes of an object from `start`, which is within it; fewer at its end. Errors as of `read`."""
        return _as_landing_error(lambda: self.store.read_range(name, start, size))

    def _of_days(self, wanted: set[date], omissions: Omissions) -> Iterator[LandedObject]:
        survey = self.survey(omissions)
        # An object without a date may be in the ledger under an earlier day than its last change: always look at it.
        yield from (landed for landed in survey.outside if not landed.dated or landed.arrival_date in wanted)
        for _, objects in self.list_days(wanted & survey.days, omissions):
            yield from objects


def loadable(name: str, size: int, etag: str, modified: datetime, omissions: Omissions) -> Iterator[LandedObject]:
    """Yield an object unless it is hidden, which `omissions` tells of, or empty."""
    if is_hidden(name):
        omissions.hide(name, size)
    elif size:
        in_path = date_in(name)
        yield LandedObject(name, size, etag, in_path or modified.astimezone(UTC).date(), in_path is not None)


def _as_landing_error(read: Callable[[], T]) -> T:
    try:
        return read()
    except StorageError as error:
        kind = UnreadableError if isinstance(error, MissingError | AccessError) else LandingError
        raise kind(
            printable(error.fault), transient=error.transient, remedy=printable(error.remedy)
        ) from error.__cause__

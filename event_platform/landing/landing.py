"""Landing: the objects that Firehose delivered. They are listed and read, never written, moved or deleted."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import TypeVar

from event_platform.events.errors import AccessError, LandingError, MissingError, StorageError, UnreadableError
from event_platform.landing.dates import arrival_date_in, days_held, is_settled, plain_folders
from event_platform.landing.names import is_hidden, printable
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
    settled: bool = True  # no version of the platform has ever given it another date


@dataclass(frozen=True)
class Survey:
    """The folders that may hold objects of each day of arrival, and every object that is outside of them."""

    folders: Mapping[date, Sequence[str]]
    outside: list[LandedObject]

    @property
    def days(self) -> AbstractSet[date]:
        """The days of arrival that have a folder."""
        return self.folders.keys()


class Landing(ABC):
    """A folder or a prefix of a bucket that objects land in."""

    zone: tzinfo  # of the dates and hours in paths

    @property
    @abstractmethod
    def store(self) -> Store:
        """The store that the objects are read from."""

    @abstractmethod
    def survey(self, omissions: Omissions, *, often: bool = False) -> Survey:
        """List everything but what is in the folders of days. Raises LandingError.

        Whoever surveys `often` may miss for an hour what is new in the folders of past months below other folders.
        """

    def list_days(
        self, days: Collection[date], omissions: Omissions, survey: Survey | None = None
    ) -> Iterator[tuple[date, list[LandedObject]]]:
        """Yield each of some days, in order, with the objects in its folders. Raises LandingError.

        Its folders are those of a survey, or, without one, yyyy/MM/dd below the root. A day is listed when it is asked
        for: whoever stops in between pays for no more.
        """
        folders = {day: self._folders(day, survey) for day in sorted(days)}
        for day, objects in self._list_folders(folders, omissions):
            yield day, [landed for landed in objects if landed.arrival_date == day]

    def _folders(self, day: date, survey: Survey | None) -> Sequence[str]:
        return plain_folders(day, self.zone) if survey is None else survey.folders.get(day, ())

    @abstractmethod
    def _list_folders(
        self, folders: Mapping[date, Sequence[str]], omissions: Omissions
    ) -> Iterator[tuple[date, list[LandedObject]]]:
        """Yield each day, in the order given, with all objects in its folders. Raises LandingError."""

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

    def is_gone(self, name: str) -> bool:
        """Return whether an object that was listed is not there any more. Raises StorageError."""
        return self.store.tag(name) is None

    def _of_days(self, wanted: set[date], omissions: Omissions) -> Iterator[LandedObject]:
        survey = self.survey(omissions)
        # An object without a date may be in the ledger under an earlier day than its last change: always look at it.
        yield from (landed for landed in survey.outside if not landed.dated or landed.arrival_date in wanted)
        for _, objects in self.list_days(wanted & survey.days, omissions, survey):
            yield from objects


def loadable(
    name: str, size: int, etag: str, modified: datetime, zone: tzinfo, omissions: Omissions
) -> Iterator[LandedObject]:
    """Yield an object unless it is hidden, which `omissions` tells of, or empty."""
    if is_hidden(name):
        omissions.hide(name, size)
    elif size and (day := arrival_date_in(name, zone)):
        yield LandedObject(name, size, etag, day, settled=is_settled(name, zone))
    elif size:
        omissions.undated.add(name)
        yield LandedObject(name, size, etag, modified.astimezone(UTC).date(), dated=False, settled=False)


def add_folder(folders: dict[date, list[str]], folder: str, zone: tzinfo) -> None:
    """Note the folder of a day under each day of arrival that its objects may have."""
    for day in days_held(folder, zone):
        folders.setdefault(day, []).append(folder)


def _as_landing_error(read: Callable[[], T]) -> T:
    try:
        return read()
    except StorageError as error:
        kind = UnreadableError if isinstance(error, MissingError | AccessError) else LandingError
        raise kind(
            printable(error.fault), transient=error.transient, remedy=printable(error.remedy)
        ) from error.__cause__

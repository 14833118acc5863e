"""Landing: the objects that Firehose delivered. They are listed and read, never written, moved or deleted."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import TypeVar

from event_platform.events.errors import AccessError, LandingError, MissingError, StorageError, UnreadableError
from event_platform.landing.dates import arrival_date_in, arrival_dates_of_folder, is_settled, plain_folders
from event_platform.landing.names import is_hidden, printable
from event_platform.landing.omissions import Omissions
from event_platform.storage.store import Store

T = TypeVar("T")


@dataclass(frozen=True)
class LandedObject:
    """One object in a listing. `name` is its path below the root of landing."""

    name: str
    size: int  # bytes
    etag: str  # changes whenever the content does
    arrival_date: date
    has_date: bool = True  # its path has the arrival date; otherwise it is the day of the last modification
    is_settled: bool = True  # every version of the platform gives it the same date


@dataclass(frozen=True)
class Survey:
    """The folders that may have objects of each arrival date, and all objects outside of them."""

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
        """List everything except the content of day folders. Raises LandingError.

        A survey repeated `often` may take an hour to notice new entries in folders of past months.
        """

    def list_days(
        self, days: Collection[date], omissions: Omissions, survey: Survey | None = None
    ) -> Iterator[tuple[date, list[LandedObject]]]:
        """Yield each of some days, in order, with the objects in its folders. Raises LandingError.

        Its folders are those of a survey, or yyyy/MM/dd below the root. A day is listed only when requested, so a
        caller that stops early saves the rest.
        """
        folders = {day: self._folders(day, survey) for day in sorted(days)}
        for day, objects in self._list_folders(folders, omissions):
            yield day, [landed_object for landed_object in objects if landed_object.arrival_date == day]

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
        """Yield the objects that arrived on the given dates (default: all), in no particular order.

        Empty objects are skipped, and hidden ones, as in Hive and Spark: any part of the name begins with `.` or `_`
        and has no `=`. `omissions` reports the hidden ones, and folders that could not be listed, which does not stop
        the others; without it, the failure is raised at the end. Raises LandingError if landing as a whole cannot be
        listed.
        """
        found_omissions = Omissions() if omissions is None else omissions
        yield from (
            self.list_all(found_omissions)
            if arrival_dates is None
            else self._list_days_of(set(arrival_dates), found_omissions)
        )
        if omissions is None:
            for fault in found_omissions.faults.values():
                raise fault

    def read(self, name: str) -> bytes:
        """Return the content of an object. Raises LandingError with its name on failure.

        It is an UnreadableError if other objects may be readable.
        """
        return _as_landing_error(lambda: self.store.read(name))

    def read_range(self, name: str, start: int, size: int) -> bytes:
        """Return `size` bytes of an object from `start`, which is within it; fewer at its end. Errors as for `read`."""
        return _as_landing_error(lambda: self.store.read_range(name, start, size))

    def is_deleted(self, name: str) -> bool:
        """Return whether a listed object has been deleted. Raises StorageError."""
        return self.store.tag(name) is None

    def _list_days_of(self, arrival_dates: set[date], omissions: Omissions) -> Iterator[LandedObject]:
        survey = self.survey(omissions)
        # An object without a date may be in the ledger under a day before its last change, so it is always compared.
        yield from (
            landed_object
            for landed_object in survey.outside
            if not landed_object.has_date or landed_object.arrival_date in arrival_dates
        )
        for _, objects in self.list_days(arrival_dates & survey.days, omissions, survey):
            yield from objects


def loadable(
    name: str, size: int, etag: str, modified: datetime, zone: tzinfo, omissions: Omissions
) -> Iterator[LandedObject]:
    """Yield an object unless it is empty or hidden; `omissions` counts hidden ones."""
    if is_hidden(name):
        omissions.hide(name, size)
    elif size and (day := arrival_date_in(name, zone)):
        yield LandedObject(name, size, etag, day, is_settled=is_settled(name, zone))
    elif size:
        omissions.undated.add(name)
        yield LandedObject(name, size, etag, modified.astimezone(UTC).date(), has_date=False, is_settled=False)


def add_folder(folders: dict[date, list[str]], folder: str, zone: tzinfo) -> None:
    """Note the folder of a day under each arrival date that its objects may have."""
    for day in arrival_dates_of_folder(folder, zone):
        folders.setdefault(day, []).append(folder)


def _as_landing_error(read: Callable[[], T]) -> T:
    try:
        return read()
    except StorageError as error:
        kind = UnreadableError if isinstance(error, MissingError | AccessError) else LandingError
        raise kind(
            printable(error.fault), transient=error.transient, remedy=printable(error.remedy)
        ) from error.__cause__

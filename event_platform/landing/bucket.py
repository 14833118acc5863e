"""Landing in a prefix of a bucket: S3, Google Cloud Storage or Azure."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import chain, groupby

from event_platform.events.errors import LandingError, StorageError
from event_platform.landing.landing import LandedObject, Landing, Survey, loadable
from event_platform.landing.names import FolderKind, folder_kind, printable
from event_platform.landing.omissions import Omissions
from event_platform.storage.bucket import BucketStore
from event_platform.storage.store import Entry
from event_platform.storage.threads import imap_threads

#: Requests to list that are made side by side.
_LISTED_AT_ONCE = 10


@dataclass(frozen=True)
class BucketLanding(Landing):
    """Landing in a bucket, below a prefix. To other processes travel the URI and the options, not the connections."""

    bucket_store: BucketStore

    @property
    def store(self) -> BucketStore:
        """See Landing."""
        return self.bucket_store

    def survey(self, omissions: Omissions) -> Survey:
        """See Landing. A request for the root, one for each year and one for each month; more for what is outside."""
        days, outside = set[date](), list[LandedObject]()
        folders = [""]
        while folders:  # one level after the other, each side by side
            with self._named():
                found = [*imap_threads(self.store.list_folder, folders, _LISTED_AT_ONCE)]
                outside.extend(landed for entries, _ in found for landed in _loadable(entries, omissions))
                kinds = {path: folder_kind(path[:-1]) for _, paths in found for path in paths}
                others = [path for path, kind in kinds.items() if kind is FolderKind.OTHER]
                outside.extend(landed for path in others for landed in _loadable(self._below(path), omissions))
            dates = (path[:-1].replace("/", "-") for path, kind in kinds.items() if kind is FolderKind.DAY)
            days.update(map(date.fromisoformat, dates))
            folders = [path for path, kind in kinds.items() if kind is FolderKind.YEAR_OR_MONTH]
        return Survey(frozenset(days), outside)

    def list_days(self, days: Collection[date], omissions: Omissions) -> Iterator[tuple[date, list[LandedObject]]]:
        """See Landing. Days of a month that are few pages away from each other are listed together."""
        # Azure lists every folder from its beginning.
        listed = self._each_by_itself if self.store.scheme == "az" else self._days_of_a_month
        for _, month in groupby(sorted(days), key=lambda day: (day.year, day.month)):
            with self._named():
                for day, entries in listed(deque(month)):
                    yield day, list(_loadable(entries, omissions))

    def list_all(self, omissions: Omissions) -> Iterator[LandedObject]:
        """See Landing."""
        with self._named():
            yield from _loadable(self._below(""), omissions)

    def _each_by_itself(self, days: deque[date]) -> Iterator[tuple[date, list[Entry]]]:
        return ((day, list(self._below(_folder(day)))) for day in days)

    def _days_of_a_month(self, days: deque[date]) -> Iterator[tuple[date, list[Entry]]]:
        """Yield each day with its entries.

        A listing begins at the first day that is left, and goes on into the next ones: names are in order. Where other
        days are between them, another listing begins behind these.
        """
        while days:
            entries, start = list[Entry](), _folder(days[0])
            pages = (
                self.store.pages(start) if len(days) == 1 else self.store.pages(f"{days[0]:%Y/%m}/", after=start[:-1])
            )
            for page in pages:
                for entry in page:
                    while days and entry.name > start and not entry.name.startswith(start):
                        yield days.popleft(), entries
                        entries, start = [], _folder(days[0]) if days else ""
                    if days and entry.name.startswith(start):
                        entries.append(entry)
                if not days or (page and page[-1].name <= start[:-1]):
                    break
            else:
                while days:
                    yield days.popleft(), entries
                    entries = []

    def _below(self, folder: str) -> Iterator[Entry]:
        return chain.from_iterable(self.store.pages(folder))

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Raise what the store raises as LandingError."""
        try:
            yield
        except LandingError:
            raise
        except StorageError as error:
            fault, remedy = printable(error.fault), printable(error.remedy)
            raise LandingError(fault, transient=error.transient, remedy=remedy) from error.__cause__


def _folder(day: date) -> str:
    return f"{day:%Y/%m/%d}/"


def _loadable(entries: Iterable[Entry], omissions: Omissions) -> Iterator[LandedObject]:
    for entry in entries:
        yield from loadable(entry.name, entry.size, entry.tag, entry.modified, omissions)

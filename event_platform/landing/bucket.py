"""Landing in a prefix of a bucket: S3, Google Cloud Storage or Azure."""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from itertools import chain, groupby

from event_platform.events.errors import LandingError, StorageError
from event_platform.landing.dates import FolderKind, folder_kind, is_at_root, is_past
from event_platform.landing.landing import LandedObject, Landing, Survey, add_folder, loadable
from event_platform.landing.names import is_hidden, printable
from event_platform.landing.omissions import Omissions
from event_platform.storage.bucket import BucketStore
from event_platform.storage.store import Entry
from event_platform.storage.threads import imap_threads

#: Number of parallel listing requests.
_PARALLEL_LISTINGS = 10

#: Maximum levels of folders to search for a date before a folder is listed recursively.
_MAX_DEPTH = 12

#: Seconds for which the folder of a past month is cached, and the cache, by root and folder.
_CACHE_SECONDS = 3600
_CACHE: dict[tuple[str, str], tuple[float, "_Folder"]] = {}

#: The objects directly in a folder, and its folders.
_Folder = tuple[list[Entry], list[str]]


@dataclass(frozen=True)
class BucketLanding(Landing):
    """Landing in a bucket, below a prefix. Pickled as its URI and options, without connections."""

    bucket_store: BucketStore
    zone: tzinfo = UTC

    @property
    def store(self) -> BucketStore:
        """See Landing."""
        return self.bucket_store

    def survey(self, omissions: Omissions, *, often: bool = False) -> Survey:
        """See Landing. One request for the root, and for each folder above the folders of days.

        Folders that lead to no day are listed recursively, a thousand objects per request.
        """
        folders, outside = dict[date, list[str]](), list[LandedObject]()
        listings, level = _Listings(self.store, often=often), [""]
        with self._translate_errors():
            while level:  # one level after the other, each side by side
                listings.list_all(level)
                parents = [_sort_by_kind(folder, *listings.pop(folder)) for folder in level]
                are_entered = [*imap_threads(listings.is_entered, parents, _PARALLEL_LISTINGS)]
                for parent, is_entered in zip(parents, are_entered, strict=True):
                    for path in parent.days:
                        add_folder(folders, path, self.zone)
                    entries = parent.entries if is_entered else self._entries_outside_days(parent)
                    outside.extend(self._loadable(entries, omissions))
                level = [
                    path
                    for parent, is_entered in zip(parents, are_entered, strict=True)
                    for path in (*parent.at_root, *(parent.other_folders if is_entered else ()))
                ]
        return Survey(folders, outside)

    def list_all(self, omissions: Omissions) -> Iterator[LandedObject]:
        """See Landing."""
        with self._translate_errors():
            yield from self._loadable(self._list_recursively(""), omissions)

    def _entries_outside_days(self, parent: "_Parent") -> Iterator[Entry]:
        """Yield the entries below a folder, except folders of days and their parents."""
        if parent.folder and not (parent.days or parent.at_root):
            return self._list_recursively(parent.folder)
        return chain(parent.entries, *map(self._list_recursively, parent.other_folders))

    def _list_folders(
        self, folders: Mapping[date, Sequence[str]], omissions: Omissions
    ) -> Iterator[tuple[date, list[LandedObject]]]:
        """See Landing. The days of a month are listed together if their folders are in order."""
        for _, days in groupby(folders.items(), key=lambda item: _parent_of_one(item[1])):
            month = dict(days)
            paths = [path for paths_of_day in month.values() for path in paths_of_day]
            # Azure lists every folder from its beginning.
            is_in_order = self.store.scheme != "az" and len(paths) == len(month) and paths == sorted(paths)
            listings = self._neighbours(deque(paths)) if is_in_order else self._list_each_day(month.values())
            with self._translate_errors():
                for day, entries in zip(month, listings, strict=True):
                    yield day, list(self._loadable(entries, omissions))

    def _list_each_day(self, folders: Iterable[Sequence[str]]) -> Iterator[list[Entry]]:
        """Yield the entries in the folders of each day. Consecutive days may share a folder."""
        content: dict[str, list[Entry]] = {}
        for paths in folders:
            new_paths = [path for path in paths if path not in content]
            listings = imap_threads(lambda path: list(self._list_recursively(path)), new_paths, _PARALLEL_LISTINGS)
            new_entries = dict(zip(new_paths, listings, strict=True))
            content = {path: content.get(path) or new_entries.get(path, []) for path in paths}
            yield [entry for entries in content.values() for entry in entries]

    def _neighbours(self, folders: deque[str]) -> Iterator[list[Entry]]:
        """Yield the entries of some subfolders of a folder, in the order of their names.

        A listing starts at the first remaining folder and continues into the next ones, because names are sorted. If
        other folders lie in between, another listing starts after them.
        """
        while folders:
            entries, start = list[Entry](), folders[0]
            parent = start[: start[:-1].rfind("/") + 1]
            pages = self.store.pages(start) if len(folders) == 1 else self.store.pages(parent, after=start[:-1])
            for page in pages:
                for entry in page:
                    while folders and entry.name > start and not entry.name.startswith(start):
                        folders.popleft()
                        yield entries
                        entries, start = [], folders[0] if folders else ""
                    if folders and entry.name.startswith(start):
                        entries.append(entry)
                if not folders or (page and page[-1].name <= start[:-1]):
                    break
            else:
                while folders:
                    folders.popleft()
                    yield entries
                    entries = []

    def _list_recursively(self, folder: str) -> Iterator[Entry]:
        return chain.from_iterable(self.store.pages(folder))

    def _loadable(self, entries: Iterable[Entry], omissions: Omissions) -> Iterator[LandedObject]:
        for entry in entries:
            yield from loadable(entry.name, entry.size, entry.tag, entry.modified, self.zone, omissions)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Raise errors of the store as LandingError."""
        try:
            yield
        except LandingError:
            raise
        except StorageError as error:
            fault, remedy = printable(error.fault), printable(error.remedy)
            raise LandingError(fault, transient=error.transient, remedy=remedy) from error.__cause__


@dataclass(frozen=True)
class _Parent:
    """The direct content of a folder."""

    folder: str
    entries: list[Entry]
    days: list[str]  # folders of days
    at_root: list[str]  # folders of years and months at the root, which are always entered
    other_folders: list[str]


class _Listings:
    """The content of folders that were listed and not used yet."""

    def __init__(self, store: BucketStore, *, often: bool) -> None:
        self._store, self._often, self._folders = store, often, dict[str, _Folder]()

    def list_all(self, folders: Iterable[str]) -> None:
        """List folders, side by side."""
        for _ in imap_threads(self._list, folders, _PARALLEL_LISTINGS):
            pass

    def pop(self, folder: str) -> _Folder:
        """Return the content of a listed folder, once."""
        return self._folders.pop(folder)

    def is_entered(self, parent: _Parent) -> bool:
        """Return whether the other folders lead to days, judging by the first and the last of them.

        Otherwise there may be a folder for each user, and one request per folder would find nothing.
        """
        visible = [path for path in parent.other_folders if not is_hidden(path[:-1])]
        return any(map(self._leads_to_days, dict.fromkeys([*visible[:1], *visible[-1:]])))

    def _leads_to_days(self, path: str) -> bool:
        for _ in range(_MAX_DEPTH):
            folders = [folder for folder in self._list(path)[1] if not is_hidden(folder[:-1])]
            if any(folder_kind(folder[:-1]) is FolderKind.DAY for folder in folders):
                return True
            if not folders:
                break
            path = folders[-1]
        return False

    def _list(self, folder: str) -> _Folder:
        if folder not in self._folders:
            self._folders[folder] = self._cached_folder(folder) if self._often else self._store.list_folder(folder)
        return self._folders[folder]

    def _cached_folder(self, folder: str) -> _Folder:
        """Return the content of a folder. Folders of past months are cached for a while."""
        if not is_past(folder[:-1], datetime.now(UTC).date()):
            return self._store.list_folder(folder)
        key, now = (self._store.root, folder), time.monotonic()
        if key not in _CACHE or _CACHE[key][0] < now - _CACHE_SECONDS:
            _CACHE[key] = now, self._store.list_folder(folder)
        return _CACHE[key][1]


def _sort_by_kind(folder: str, entries: list[Entry], paths: list[str]) -> _Parent:
    days = [path for path in paths if folder_kind(path[:-1]) is FolderKind.DAY]
    at_root = [path for path in paths if is_at_root(path[:-1])]
    sorted_folders = {*days, *at_root}
    other_folders = [path for path in paths if path not in sorted_folders]
    return _Parent(folder, entries, days, at_root, other_folders)


def _parent_of_one(folders: Sequence[str]) -> str | None:
    """Return the parent folder of the only folder of a day; None if the day has several."""
    return folders[0][: folders[0][:-1].rfind("/") + 1] if len(folders) == 1 else None

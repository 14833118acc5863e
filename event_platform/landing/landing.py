"""Landing: the objects that Firehose delivered. They are listed and read, never written, moved or deleted."""

import os
import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum, auto
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from event_platform.events.errors import LandingError, UnreadableError
from event_platform.storage.errors import S3_ERRORS, cause, is_of_one_object, storage_error
from event_platform.storage.s3 import config, read_object
from event_platform.storage.threads import imap_threads

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef, ObjectTypeDef

#: A polars pattern: the folder of an hour, and of the day that it is in, anywhere in a path.
HOUR_IN_PATH = "(?:^|/)(?<day>[0-9]{4}/[0-9]{2}/[0-9]{2})/(?<hour>[01][0-9]|2[0-3])/"

_DATE_IN_PATH = re.compile(r"(?:^|(?<=/))([0-9]{4})/([0-9]{2})/([0-9]{2})/")
#: A year, a month and a day, as folders from the root of landing.
_TO_A_DAY = [re.compile(path) for path in ("[0-9]{4}", "[0-9]{4}/[0-9]{2}", "[0-9]{4}/[0-9]{2}/[0-9]{2}")]

#: Hidden names that no data has: what writers leave beside it.
_MARKERS = {"_SUCCESS", "_temporary", "_delta_log"}
_MARKER_SUFFIXES = (".crc", ".tmp")

#: Where Python puts the bytes of a file's name that are not UTF-8.
_SURROGATES, _LAST_BYTE = 0xDC00, 0xFF

#: Faults that a warning names.
_TOLD = 5

_REPLACE_LINK = "put the files themselves there"
_ACCESS = "grant access to it, or take it out of landing"

#: Requests to list that are made side by side; boto3 has so many connections.
_LISTED_AT_ONCE = 10


class _Step(Enum):
    """What a folder is on the way from the root of landing to a day's objects."""

    TOWARDS = auto()  # a year or a month
    DAY = auto()
    OUTSIDE = auto()


@dataclass(frozen=True)
class LandedObject:
    """One object as the listing shows it. `name` is its path below the root of landing."""

    name: str
    size: int  # bytes
    etag: str  # changes whenever the content does
    arrival_date: date
    dated: bool = True  # the path says when it arrived; otherwise the store's last-modified day does


@dataclass
class Omissions:
    """What a listing does not yield, beside empty objects: filled while it is read."""

    #: By the name of a file or folder: why it could not be listed, or is refused. Each is an error that names it.
    faults: dict[str, UnreadableError] = field(default_factory=dict)
    hidden: int = 0  # objects with a hidden name, but for markers
    hidden_example: str = ""

    def hide(self, name: str, size: int) -> None:
        """Count a hidden object, unless it is a marker."""
        parts = name.split("/")
        if size and not any(part in _MARKERS or part.endswith(_MARKER_SUFFIXES) for part in parts):
            self.hidden += 1
            self.hidden_example = self.hidden_example or name

    @property
    def warnings(self) -> list[str]:
        """What to tell where nothing fails: some of the faults, and the hidden objects."""
        told = [str(fault) for fault in list(self.faults.values())[:_TOLD]]
        more = len(self.faults) - len(told)
        return [*told, *([f"And {more} more that are left out"] if more else []), *filter(None, [self.hidden_warning])]

    @property
    def hidden_warning(self) -> str | None:
        """What to tell of the hidden objects; None where there are none."""
        if not self.hidden:
            return None
        return (
            f"landing holds {self.hidden:,} hidden objects, such as {printable(self.hidden_example)}: names that begin "
            "with _ or . and hold no = are not loaded. Rename those that are data"
        )


@dataclass(frozen=True)
class Survey:
    """Which days have a folder, and every object that is outside the folders of days."""

    days: frozenset[date]
    outside: list[LandedObject]


class Landing(ABC):
    """A place that objects land in."""

    def list_objects(
        self, arrival_dates: Iterable[date] | None = None, omissions: Omissions | None = None
    ) -> Iterator[LandedObject]:
        """Yield the objects that arrived on the given dates (all without them), in no particular order.

        Left out are empty objects, and hidden ones, as Hive and Spark do: any part of the name begins with `.` or `_`
        and holds no `=`. `omissions` tells of these, and of what could not be listed, which does not stop the others;
        without it, that is raised in the end. Raises LandingError where landing as a whole cannot be listed.
        """
        left_out = Omissions() if omissions is None else omissions
        yield from self._all(left_out) if arrival_dates is None else self._of_days(set(arrival_dates), left_out)
        if omissions is None:
            for fault in left_out.faults.values():
                raise fault

    def _of_days(self, wanted: set[date], omissions: Omissions) -> Iterator[LandedObject]:
        survey = self.survey(omissions)
        # An object without a date may be in the ledger under an earlier day than its last change: always look at it.
        yield from (landed for landed in survey.outside if not landed.dated or landed.arrival_date in wanted)
        for _, objects in self.list_days(wanted & survey.days, omissions):
            yield from objects

    @abstractmethod
    def survey(self, omissions: Omissions) -> Survey:
        """Look at everything but what is in the folders of days. Raises LandingError."""

    @abstractmethod
    def list_days(self, days: Collection[date], omissions: Omissions) -> Iterator[tuple[date, list[LandedObject]]]:
        """Yield each of some days, in order, with the objects in its folder. Raises LandingError.

        A day is listed when it is asked for: whoever stops in between pays for no more.
        """

    @abstractmethod
    def _all(self, omissions: Omissions) -> Iterator[LandedObject]:
        """Yield every object."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return the content of an object. Raises LandingError naming it where that fails.

        It is an UnreadableError where the others may well be read.
        """

    @abstractmethod
    def read_range(self, name: str, start: int, size: int) -> bytes:
        """Return so many bytes of an object from `start`, which is within it; fewer at its end. Errors as of `read`."""


@dataclass(frozen=True)
class FolderLanding(Landing):
    """Landing in a folder of this machine."""

    root: Path

    def survey(self, omissions: Omissions) -> Survey:
        """See Landing."""
        days = set[date]()
        outside = list(_Walk(self.root, omissions, days).below(""))
        return Survey(frozenset(days), outside)

    def list_days(self, days: Collection[date], omissions: Omissions) -> Iterator[tuple[date, list[LandedObject]]]:
        """See Landing."""
        for day in sorted(days):
            yield day, list(_Walk(self.root, omissions).below(f"{day:%Y/%m/%d}"))

    def _all(self, omissions: Omissions) -> Iterator[LandedObject]:
        return _Walk(self.root, omissions).below("")

    def read(self, name: str) -> bytes:
        """See Landing."""
        return self._read(name, 0, -1)

    def read_range(self, name: str, start: int, size: int) -> bytes:
        """See Landing."""
        return self._read(name, start, size)

    def _read(self, name: str, start: int, size: int) -> bytes:
        try:
            with (self.root / name).open("rb") as file:
                file.seek(start)
                return file.read(size)
        except (PermissionError, FileNotFoundError, IsADirectoryError) as error:
            raise _unreadable(f"{self.root / name}", error.strerror, UnreadableError) from error
        except OSError as error:
            raise _unreadable(f"{self.root / name}", error.strerror or str(error)) from error


@dataclass(frozen=True)
class _Walk:
    """A look through folders that names what it cannot list or must not follow, and goes on beside it."""

    root: Path
    omissions: Omissions
    days: set[date] | None = None  # where it is given, the folders of days are put there, and not entered

    def below(self, start: str) -> Iterator[LandedObject]:
        """Yield the objects below a folder, which need not be there. Raises LandingError where the root is not."""
        if not self.root.is_dir():
            raise LandingError(
                f"{self.root}: no such folder. Expected the folder that objects land in: create or mount it, or "
                "correct EVENT_PLATFORM_LANDING.",
                transient=False,
            )
        if not self._is_inside(self.root / start):
            self._refuse(start, "a link that leads out of landing", _REPLACE_LINK)
            return
        folders = [(start, False)]  # still to be listed, and whether a link leads there
        while folders:
            folder, linked = folders.pop()
            for entry in self._entries(folder):
                name = f"{folder}/{entry.name}" if folder else entry.name
                try:
                    if self._refuses(name, entry, linked=linked):
                        continue
                    if not entry.is_dir():
                        yield from self._file(name, entry)
                    elif self.days is None or _step(name) is not _Step.DAY:
                        folders.append((name, linked or entry.is_symlink()))
                    else:
                        self.days.add(date.fromisoformat(name.replace("/", "-")))
                except FileNotFoundError:  # deleted since its folder was listed
                    continue
                except OSError as error:
                    self._refuse(name, error.strerror or str(error), _ACCESS, error)

    def _entries(self, folder: str) -> list["os.DirEntry[str]"]:
        path = str(self.root / folder)
        try:
            with os.scandir(path) as entries:
                return list(entries)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            why = error.strerror or str(error)
            if not folder:
                raise _unreadable(path, why) from error
            self._refuse(folder, why, _ACCESS, error)
            return []

    def _file(self, name: str, entry: "os.DirEntry[str]") -> Iterator[LandedObject]:
        if entry.is_file():
            status = entry.stat()
            modified = datetime.fromtimestamp(status.st_mtime, UTC)
            yield from _loadable(name, status.st_size, f"{status.st_mtime_ns:x}", modified, self.omissions)

    def _refuses(self, name: str, entry: "os.DirEntry[str]", *, linked: bool) -> bool:
        """Refuse a name that no table could hold, and a link that leads astray; without a word if it is hidden."""
        if not _is_text(name):
            self._refuse(name, "its name is not UTF-8, and no table could hold it", "rename it")
            return not is_hidden(name)
        why = self._fault_of_link(entry.path, linked=linked) if entry.is_symlink() else None
        if why is not None:
            self._refuse(name, why, _REPLACE_LINK)
        return why is not None

    def _fault_of_link(self, path: str, *, linked: bool) -> str | None:
        target = Path(os.path.realpath(path))
        if not self._is_inside(target):
            return f"a link that leads out of landing, to {target}"
        if not target.exists():
            return "a link that leads nowhere"
        if target.is_dir() and Path(os.path.realpath(Path(path).parent)).is_relative_to(target):
            return "a link that leads round in a circle"
        if target.is_dir() and linked:  # each could double the paths to what is below
            return "a link to a folder, below another one"
        return None

    def _is_inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.root))

    def _refuse(self, name: str, why: str, remedy: str, error: OSError | None = None) -> None:
        if not is_hidden(name):
            self.omissions.faults[name] = UnreadableError(
                printable(f"{self.root / name}: {why}. It is left out: {remedy}, then run again."),
                transient=error is not None and not isinstance(error, PermissionError),
            )


@dataclass(frozen=True)
class S3Landing(Landing):
    """Landing in an S3 bucket, below a prefix, which is empty or ends with a slash.

    A client does not travel to other processes; `settings` (what boto3's client takes) do, and each makes its own.
    """

    bucket: str
    prefix: str
    settings: Mapping[str, Any] = field(repr=False)

    def __reduce__(self) -> tuple[type["S3Landing"], tuple[str, str, Mapping[str, Any]]]:
        """Pickle all but the client."""
        return S3Landing, (self.bucket, self.prefix, self.settings)

    def survey(self, omissions: Omissions) -> Survey:
        """See Landing. A request for the root, one for each year and one for each month; more for what is outside."""
        days, outside = set[date](), list[LandedObject]()
        prefixes = [self.prefix]
        while prefixes:  # one level after the other, each side by side
            found = [*imap_threads(self._inside, prefixes, _LISTED_AT_ONCE)]
            outside.extend(landed for entries, _ in found for landed in self._loadable(entries, omissions))
            prefixes = []
            for below in (below for _, inside in found for below in inside):
                path = below[len(self.prefix) :].rstrip("/")
                step = _step(path)
                if step is _Step.OUTSIDE:
                    outside.extend(self._loadable(self._below(below), omissions))
                elif step is _Step.TOWARDS:
                    prefixes.append(below)
                else:
                    days.add(date.fromisoformat(path.replace("/", "-")))
        return Survey(frozenset(days), outside)

    def list_days(self, days: Collection[date], omissions: Omissions) -> Iterator[tuple[date, list[LandedObject]]]:
        """See Landing. Days of a month that are few pages away from each other are listed together."""
        for _, month in groupby(sorted(days), key=lambda day: (day.year, day.month)):
            for day, entries in self._days_of_a_month(deque(month)):
                yield day, list(self._loadable(entries, omissions))

    def _all(self, omissions: Omissions) -> Iterator[LandedObject]:
        return self._loadable(self._below(self.prefix), omissions)

    def read(self, name: str) -> bytes:
        """See Landing."""
        return self._read(name)

    def read_range(self, name: str, start: int, size: int) -> bytes:
        """See Landing."""
        return self._read(name, (start, start + size - 1))

    def _read(self, name: str, span: tuple[int, int] | None = None) -> bytes:
        try:
            return read_object(self._client, self.bucket, self.prefix + name, span)
        except S3_ERRORS as error:
            kind = UnreadableError if is_of_one_object(error) else LandingError
            where = printable(f"s3://{self.bucket}/{self.prefix}{name}")
            raise storage_error(error, where, kind) from cause(error)

    @cached_property
    def _client(self) -> "S3Client":
        settings = {"config": config(), **self.settings}
        session = boto3.Session(profile_name=settings.pop("profile_name", None))
        return session.client("s3", **settings)

    def _days_of_a_month(self, days: deque[date]) -> Iterator[tuple[date, list["ObjectTypeDef"]]]:
        """Yield each day with its entries.

        A page begins at the first day that is left, and goes on into the next ones: names are in order. Where other
        days are between them, the next page begins behind these.
        """
        entries, after, where = list["ObjectTypeDef"](), "", dict[str, str]()
        while days:
            start = f"{self.prefix}{days[0]:%Y/%m/%d}/"
            if after <= start:
                prefix = start if len(days) == 1 else f"{self.prefix}{days[0]:%Y/%m}/"
                where = {"Prefix": prefix, "StartAfter": start}
            page = self._page(where)
            for entry in page.get("Contents", []):
                after = entry["Key"]
                while days and after > start and not after.startswith(start):
                    yield days.popleft(), entries
                    entries, start = [], f"{self.prefix}{days[0]:%Y/%m/%d}/" if days else ""
                if days and after.startswith(start):
                    entries.append(entry)
            where = {"Prefix": where["Prefix"], "ContinuationToken": page.get("NextContinuationToken", "")}
            if not page["IsTruncated"]:
                while days:
                    yield days.popleft(), entries
                    entries = []

    def _inside(self, prefix: str) -> tuple[list["ObjectTypeDef"], list[str]]:
        """List what is directly below a prefix: objects, and prefixes."""
        pages = list(self._pages(prefix, "/"))
        return (
            [entry for page in pages for entry in page.get("Contents", [])],
            [common["Prefix"] for page in pages for common in page.get("CommonPrefixes", [])],
        )

    def _below(self, prefix: str) -> Iterator["ObjectTypeDef"]:
        return (entry for page in self._pages(prefix, "") for entry in page.get("Contents", []))

    def _pages(self, prefix: str, delimiter: str) -> Iterator["ListObjectsV2OutputTypeDef"]:
        paginator = self._client.get_paginator("list_objects_v2")
        with self._named():
            yield from paginator.paginate(Bucket=self.bucket, Prefix=prefix, Delimiter=delimiter)

    def _page(self, where: Mapping[str, str]) -> "ListObjectsV2OutputTypeDef":
        with self._named():
            return self._client.list_objects_v2(Bucket=self.bucket, **where)  # type: ignore[arg-type]

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Raise what S3 answers as a LandingError that names landing."""
        try:
            yield
        except S3_ERRORS as error:
            raise storage_error(error, f"s3://{self.bucket}/{self.prefix}", LandingError) from cause(error)

    def _loadable(self, entries: Iterable["ObjectTypeDef"], omissions: Omissions) -> Iterator[LandedObject]:
        for entry in entries:
            name, etag = entry["Key"][len(self.prefix) :], entry["ETag"].strip('"')
            yield from _loadable(name, entry["Size"], etag, entry["LastModified"], omissions)


def _loadable(name: str, size: int, etag: str, modified: datetime, omissions: Omissions) -> Iterator[LandedObject]:
    """Yield an object unless it is hidden, which `omissions` tells of, or empty."""
    if is_hidden(name):
        omissions.hide(name, size)
    elif size:
        in_path = date_in(name)
        yield LandedObject(name, size, etag, in_path or modified.astimezone(UTC).date(), in_path is not None)


def _step(path: str) -> _Step:
    """Tell what a folder is by its path below the root."""
    depth = path.count("/")
    if depth >= len(_TO_A_DAY) or not _TO_A_DAY[depth].fullmatch(path):
        return _Step.OUTSIDE
    if depth + 1 < len(_TO_A_DAY):
        return _Step.TOWARDS
    return _Step.OUTSIDE if date_in(f"{path}/") is None else _Step.DAY


def date_in(name: str) -> date | None:
    """Return the first date in a path: of the folders of days at the root, it is theirs."""
    for match in _DATE_IN_PATH.finditer(name):
        try:
            return date(*map(int, match.groups()))
        except ValueError:  # no such day
            continue
    return None


def printable(text: str) -> str:
    """Return a name or a message as it can be shown: control characters and bytes that are not UTF-8 are escaped."""
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    byte = ord(character) - _SURROGATES
    return f"\\x{byte:02x}" if 0 <= byte <= _LAST_BYTE else character.encode("unicode_escape").decode()


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_hidden(name: str) -> bool:
    """Say whether a name is hidden: any part begins with `.` or `_` and holds no `=`, or it ends with a slash."""
    return any(part.startswith((".", "_")) and "=" not in part for part in name.split("/")) or name.endswith("/")


def _unreadable(where: str, cause: str | None, kind: type[LandingError] = LandingError) -> LandingError:
    return kind(
        printable(
            f"{where}: {cause}. Expected to read what the listing shows: check that it was not deleted and that access "
            "is granted, then run again."
        )
    )

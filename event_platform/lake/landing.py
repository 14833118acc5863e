"""Landing: the objects that Firehose delivered. They are listed and read, never written, moved or deleted."""

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum, auto
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from event_platform.events.errors import LandingError, UnreadableError
from event_platform.lake.s3 import config, read_object
from event_platform.lake.s3_errors import S3_ERRORS, cause, is_of_one_object, storage_error

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef, ObjectTypeDef

#: A polars pattern: the folder of an hour, and of the day that it is in, anywhere in a path.
HOUR_IN_PATH = "(?:^|/)(?<day>[0-9]{4}/[0-9]{2}/[0-9]{2})/(?<hour>[01][0-9]|2[0-3])/"

_DATE_IN_PATH = re.compile(r"(?:^|(?<=/))([0-9]{4})/([0-9]{2})/([0-9]{2})/")
#: A year, a month and a day, as folders from the root of landing.
_TO_A_DAY = [re.compile(path) for path in ("[0-9]{4}", "[0-9]{4}/[0-9]{2}", "[0-9]{4}/[0-9]{2}/[0-9]{2}")]


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


class Landing(ABC):
    """A place that objects land in."""

    @abstractmethod
    def list_objects(self, arrival_dates: Iterable[date] | None = None) -> Iterator[LandedObject]:
        """Yield the objects that arrived on the given dates (all without them), in no particular order.

        Hidden names (`.` or `_` first) and empty objects are left out, as Hive and Spark do.
        """

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

    def list_objects(self, arrival_dates: Iterable[date] | None = None) -> Iterator[LandedObject]:
        """See Landing."""
        wanted = None if arrival_dates is None else set(arrival_dates)
        try:
            for path in self._paths(wanted):
                name = path.relative_to(self.root).as_posix()
                if not _is_hidden(name) and path.is_file():
                    status = path.stat()
                    modified = datetime.fromtimestamp(status.st_mtime, UTC)
                    yield from _wanted(name, status.st_size, f"{status.st_mtime_ns:x}", modified, wanted)
        except OSError as error:
            raise _unreadable(str(error.filename or self.root), error.strerror or str(error)) from error

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

    def _paths(self, wanted: set[date] | None) -> Iterator[Path]:
        """Yield the files to look at: of the folders of days only those of the wanted ones."""
        if wanted is None:
            yield from _below(self.root)
            return
        yield from self._outside_days(self.root)
        for day in sorted(wanted):
            yield from _below(self.root / f"{day:%Y/%m/%d}")

    def _outside_days(self, folder: Path) -> Iterator[Path]:
        for path in folder.iterdir() if folder.is_dir() else ():
            step = _step(path.relative_to(self.root).as_posix())
            if path.is_file():
                yield path
            elif step is _Step.OUTSIDE:
                yield from _below(path)
            elif step is _Step.TOWARDS:
                yield from self._outside_days(path)


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

    def list_objects(self, arrival_dates: Iterable[date] | None = None) -> Iterator[LandedObject]:
        """See Landing."""
        wanted = None if arrival_dates is None else set(arrival_dates)
        try:
            for entry in self._entries(wanted):
                name = entry["Key"][len(self.prefix) :]
                if not _is_hidden(name):
                    yield from _wanted(name, entry["Size"], entry["ETag"].strip('"'), entry["LastModified"], wanted)
        except S3_ERRORS as error:
            raise storage_error(error, f"s3://{self.bucket}/{self.prefix}", LandingError) from cause(error)

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
            raise storage_error(error, f"s3://{self.bucket}/{self.prefix}{name}", kind) from cause(error)

    @cached_property
    def _client(self) -> "S3Client":
        settings = dict(self.settings)
        session = boto3.Session(profile_name=settings.pop("profile_name", None))
        return session.client("s3", config=config(), **settings)

    def _entries(self, wanted: set[date] | None) -> Iterator["ObjectTypeDef"]:
        """Yield the entries to look at: of the prefixes of days only those of the wanted ones."""
        if wanted is None:
            yield from self._below(self.prefix)
            return
        yield from self._outside_days(self.prefix)
        for day in sorted(wanted):
            yield from self._below(f"{self.prefix}{day:%Y/%m/%d}/")

    def _outside_days(self, prefix: str) -> Iterator["ObjectTypeDef"]:
        for page in self._pages(prefix, "/"):
            yield from page.get("Contents", [])
            for below in (common["Prefix"] for common in page.get("CommonPrefixes", [])):
                step = _step(below[len(self.prefix) :].rstrip("/"))
                if step is _Step.OUTSIDE:
                    yield from self._below(below)
                elif step is _Step.TOWARDS:
                    yield from self._outside_days(below)

    def _below(self, prefix: str) -> Iterator["ObjectTypeDef"]:
        return (entry for page in self._pages(prefix, "") for entry in page.get("Contents", []))

    def _pages(self, prefix: str, delimiter: str) -> Iterable["ListObjectsV2OutputTypeDef"]:
        paginator = self._client.get_paginator("list_objects_v2")
        return paginator.paginate(Bucket=self.bucket, Prefix=prefix, Delimiter=delimiter)


def _below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, if there is one. Not rglob: it takes what it may not read for empty."""
    if folder.is_dir():
        for parent, _, names in os.walk(folder, onerror=_raised):
            yield from (Path(parent, name) for name in names)


def _raised(error: OSError) -> None:
    raise error


def _wanted(name: str, size: int, etag: str, modified: datetime, wanted: set[date] | None) -> Iterator[LandedObject]:
    in_path = date_in(name)
    landed = LandedObject(name, size, etag, in_path or modified.astimezone(UTC).date(), in_path is not None)
    # An object without a date may be in the ledger under an earlier day than its last change: always look at it.
    if size and (wanted is None or not landed.dated or landed.arrival_date in wanted):
        yield landed


def _step(path: str) -> _Step:
    """Tell what a folder is by its path below the root."""
    depth = path.count("/")
    if not _TO_A_DAY[depth].fullmatch(path):
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


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "_")) for part in name.split("/")) or name.endswith("/")


def _unreadable(where: str, cause: str | None, kind: type[LandingError] = LandingError) -> LandingError:
    return kind(
        f"{where}: {cause}. Expected to read what the listing shows: check that it was not deleted and that access "
        "is granted, then run again."
    )

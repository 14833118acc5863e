"""Copies of the logs of tables in a bucket.

delta-rs sends a dozen requests for each look at a log. But the files of a log never change: each is read once, and
delta-rs reads the copy in a temporary local folder.
"""

import json
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from deltalake.exceptions import TableNotFoundError

from event_platform.events.errors import MissingError
from event_platform.storage.store import Store
from event_platform.storage.threads import map_threads

LOG = "_delta_log"
LAST_CHECKPOINT = "_last_checkpoint"

_COMMIT, _CHECKPOINT = re.compile(r"(\d{20})\.json"), re.compile(r"(\d{20})\.checkpoint\.parquet")

#: A copy with more commits than this, and than twice its original number, is made again from a later checkpoint.
_MOST_COMMITS = 20

#: Prefix of temporary folders, and seconds after which they are abandoned.
_PREFIX, _ABANDONED = "event-platform-log-", 24 * 60 * 60


@dataclass(frozen=True)
class LogCopy:
    """The part of a log that a version of a table needs: the last checkpoint, if any, and the commits since."""

    folder: str  # of the log, below the root of the store
    version: int
    tag: str  # of the last commit: see Store.tag
    files: Mapping[str, bytes] = field(repr=False)  # by name
    most_commits: int = _MOST_COMMITS

    @property
    def checkpoint(self) -> tuple[int, bytes] | None:
        """The version of the checkpoint, and its content."""
        matches = ((_CHECKPOINT.fullmatch(name), data) for name, data in self.files.items())
        return next(((int(name[1]), data) for name, data in matches if name), None)

    @property
    def first(self) -> int:
        """The version of the checkpoint; -1 without one."""
        return -1 if self.checkpoint is None else self.checkpoint[0]

    @property
    def is_long(self) -> bool:
        """Whether there may be a later checkpoint by now, with which the copy would be shorter."""
        return len(self.files) > self.most_commits

    def path(self, name: str) -> str:
        """Return the name of a file of the log in the store."""
        return f"{self.folder}/{name}"

    def with_commit(self, data: bytes, tag: str) -> "LogCopy":
        """Return the copy with the next commit."""
        files = {**self.files, commit_name(self.version + 1): data}
        return replace(self, version=self.version + 1, tag=tag, files=files)

    def with_checkpoint(self, data: bytes) -> "LogCopy":
        """Return the copy with a checkpoint of its version, without the files that the checkpoint replaces."""
        last = commit_name(self.version)
        return replace(self, files={checkpoint_name(self.version): data, last: self.files[last]})


def commit_name(version: int) -> str:
    """Return the name of a commit in a log."""
    return f"{version:020}.json"


def checkpoint_name(version: int) -> str:
    """Return the name of a checkpoint in a log."""
    return f"{version:020}.checkpoint.parquet"


def copy_log(store: Store, folder: str) -> LogCopy | None:
    """Copy a log: read the pointer to its checkpoint, list the log from there, and read each file.

    None if delta-rs has to read the log itself, for example because a checkpoint has several files. Raises
    TableNotFoundError, and StorageError for other failures.
    """
    first = _last_checkpoint(store, folder)
    pages = store.pages(f"{folder}/", after=f"{folder}/{first or 0:020}")
    names = [entry.name.removeprefix(f"{folder}/") for page in pages for entry in page]
    if first is None and not any(name[:20].isdecimal() for name in names):
        raise TableNotFoundError(f"{store.uri(folder)}: no such log")
    needed = _needed(names)
    tagged_files = [
        tagged for tagged in map_threads(store.read_tagged, [f"{folder}/{name}" for name in needed]) if tagged
    ]
    if not tagged_files or len(tagged_files) < len(needed):  # some were cleaned up meanwhile
        return None
    files = dict(zip(needed, (data for data, _ in tagged_files), strict=True))
    return LogCopy(folder, int(needed[-1][:20]), tagged_files[-1][1], files, max(_MOST_COMMITS, 2 * len(files)))


def catch_up(copy: LogCopy, store: Store, most: int | None = None, *, is_checked: bool = False) -> LogCopy | None:
    """Return the copy with newer commits; the same copy if there are none. Two requests, and one for each commit.

    None if the log was replaced or restored to an older state, or if more than `most` commits were added. With
    `is_checked`, replacement is not checked if there is no newer commit: one request.
    """
    latest = copy
    while (tagged := store.read_tagged(copy.path(commit_name(latest.version + 1)))) is not None:
        if most is not None and latest.version - copy.version == most:
            return None
        latest = latest.with_commit(*tagged)
    if is_checked and latest is copy:
        return copy
    return latest if store.tag(copy.path(commit_name(copy.version))) == copy.tag else None


@contextmanager
def temporary_table(files: Mapping[str, bytes]) -> Iterator[Path]:
    """Yield the folder of a temporary table with these files in its log, and remove it afterwards."""
    _remove_abandoned()
    with TemporaryDirectory(prefix=_PREFIX) as folder:
        log = Path(folder) / LOG
        log.mkdir()
        for name, data in files.items():
            (log / name).write_bytes(data)
        yield Path(folder)


@cache
def _remove_abandoned() -> None:
    """Remove the folders that killed processes have left, once in each process: they are needed for milliseconds."""
    for folder in Path(gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.stat().st_mtime < time.time() - _ABANDONED:
                shutil.rmtree(folder)


def _last_checkpoint(store: Store, folder: str) -> int | None:
    """Return the version of the last checkpoint according to the log; None if it names none."""
    try:
        return int(json.loads(store.read(f"{folder}/{LAST_CHECKPOINT}"))["version"])
    except (MissingError, ValueError, KeyError, TypeError):
        return None


def _needed(names: Iterable[str]) -> list[str]:
    """Return the names of the last checkpoint and of the commits since; empty if some are missing."""
    names = set(names)
    commits = {int(match[1]) for name in names if (match := _COMMIT.fullmatch(name))}
    checkpoint = max((int(match[1]) for name in names if (match := _CHECKPOINT.fullmatch(name))), default=-1)
    last = max(commits, default=-1)
    if last < checkpoint or not commits.issuperset(range(checkpoint + 1, last + 1)):
        return []
    commits_since = [commit_name(version) for version in range(max(checkpoint, 0), last + 1) if version in commits]
    return commits_since if checkpoint < 0 else [checkpoint_name(checkpoint), *commits_since]

"""Commits of a table's log, and the partitions that others than the platform changed.

A commit of the platform stores in its commit info the version up to which it knew the table, and the partitions that
were still as others had left them. The last such commit therefore covers all earlier ones, and is usually the only file
of the log that is read.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from event_platform.events.errors import MissingError

#: Returns the lines of a commit. Raises MissingError if it was cleaned up.
ReadCommit = Callable[[int], bytes]

#: Foreign commits that are read, each with a request. A table with more in a row counts as changed everywhere.
_MOST_READ = 200

#: Key that only commits of the platform have in their commit info.
_COMMIT_ID, _KNOWN_VERSION, _REPLACED, _FOREIGN = "commit_id", "known_version", "replaced", "foreign"

_VALUE_IN_PATH = re.compile(r"[^/=]+=(\d{4}-\d{2}-\d{2})/")


@dataclass(frozen=True)
class Commit:
    """One commit: its commit info, added and removed files, and app transactions."""

    version: int
    info: Mapping[str, Any]
    added: list[dict[str, Any]]
    removed: list[dict[str, Any]]
    transactions: dict[str, int] = field(default_factory=dict)

    @property
    def known_version(self) -> int | None:
        """The version up to which the platform knew the table when it committed; None for commits of others.

        Older releases did not store it, but read the rows of a table instead. Commits before theirs are not examined.
        """
        return self.info.get(_KNOWN_VERSION, self.version) if _COMMIT_ID in self.info else None

    @property
    def changed_dates(self) -> set[date]:
        """The partitions whose rows the commit changed, rather than only moving them between files."""
        actions = (action for action in (*self.added, *self.removed) if action.get("dataChange", True))
        return {day for action in actions if (day := _partition(action)) is not None}


def read_commit(version: int, read: ReadCommit) -> Commit:
    """Return a commit of a log. Raises MissingError if it was cleaned up."""
    actions = [json.loads(line) for line in read(version).splitlines()]

    def of_kind(kind: str) -> list[dict[str, Any]]:
        return [action[kind] for action in actions if kind in action]

    return Commit(
        version,
        next(iter(of_kind("commitInfo")), {}),
        of_kind("add"),
        of_kind("remove"),
        {transaction["appId"]: transaction["version"] for transaction in of_kind("txn")},
    )


def commit_info(
    commit_id: str, known_version: int, replaced: Collection[date], foreign: Mapping[date, int]
) -> dict[str, Any]:
    """Return the commit info of a platform commit, for `foreign_versions`.

    `foreign` are the partitions that others had changed up to `known_version`. Partitions in `replaced` are no longer
    foreign.
    """
    still_foreign = _without_rebuilt(foreign, replaced, known_version)
    return {
        _COMMIT_ID: commit_id,
        _KNOWN_VERSION: known_version,
        _REPLACED: sorted(day.isoformat() for day in replaced),
        _FOREIGN: {day.isoformat(): version for day, version in sorted(still_foreign.items())},
    }


def foreign_versions(version: int, partitions: Collection[date], read: ReadCommit) -> dict[date, int]:
    """Return the partitions that others changed since the platform wrote them, with the version of the change.

    `version` is the last one; `partitions` are those of the table. Commits that were cleaned up need not be read: newer
    ones repeat the foreign partitions.
    """
    commits, last, stop, at = list[Commit](), None, -1, version
    while at > stop:
        if len(commits) == _MOST_READ:
            return dict.fromkeys(partitions, version)
        try:
            commit = read_commit(at, read)
        except MissingError:
            break
        commits.append(commit)
        if last is None and commit.known_version is not None:
            last, stop = commit, commit.known_version
        at -= 1
    return _left_foreign(last, reversed(commits))


def _left_foreign(last: Commit | None, commits: Iterable[Commit]) -> dict[date, int]:
    """Start with the foreign partitions known to the `last` platform commit, and apply the commits from that one on."""
    foreign = last.info.get(_FOREIGN, {}) if last else {}
    versions = {date.fromisoformat(day): version for day, version in foreign.items()}
    for commit in commits:
        if commit.known_version is None:
            versions |= dict.fromkeys(commit.changed_dates, commit.version)
        else:
            replaced = map(date.fromisoformat, commit.info.get(_REPLACED, []))
            versions = _without_rebuilt(versions, set(replaced), commit.known_version)
    return versions


def _without_rebuilt(foreign: Mapping[date, int], replaced: Collection[date], known_version: int) -> dict[date, int]:
    """Drop the partitions that were rebuilt by a commit that knew of the change."""
    return {day: version for day, version in foreign.items() if day not in replaced or version > known_version}


def _partition(action: Mapping[str, Any]) -> date | None:
    values = action.get("partitionValues") or dict(enumerate(_VALUE_IN_PATH.findall(action["path"])))
    try:
        return date.fromisoformat(next(iter(values.values())))
    except (StopIteration, TypeError, ValueError):  # a table without partitions, or a partition without a date
        return None

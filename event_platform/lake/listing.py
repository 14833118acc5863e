"""The result of one listing of a lake: the size of each file, and the last commit of each table."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from event_platform.lake.log_copy import LOG
from event_platform.storage.store import Entry

_COMMIT = re.compile(rf"(.+)/{LOG}/(\d{{20}})\.json")


@dataclass(frozen=True)
class LakeListing:
    """A listing of some tables."""

    sizes: Mapping[str, int]  # bytes by path below the root of the lake
    commits: Mapping[str, tuple[int, str]]  # version and tag (see Entry) of the last commit, by the name of the table


def summarize(entries: Iterable[Entry]) -> LakeListing:
    """Return the sizes and commits in a listing."""
    sizes: dict[str, int] = {}
    commits: dict[str, tuple[int, str]] = {}
    for entry in entries:
        sizes[entry.name] = entry.size
        if match := _COMMIT.fullmatch(entry.name):
            commit = int(match[2]), entry.tag
            commits[match[1]] = max(commits.get(match[1], commit), commit)
    return LakeListing(sizes, commits)

"""The history of a table: the infos of its commits, read from its log."""

import json
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any

from event_platform.events.errors import MissingError
from event_platform.storage.threads import map_threads

#: Cache by the key of the table: first and last version, and the infos in between. Every few seconds a sensor examines
#: the whole history of a table, and each commit is a request.
_CACHE: OrderedDict[str, tuple[int, int, tuple[dict[str, Any], ...]]] = OrderedDict()

_LOCK = Lock()  # sensors are evaluated side by side

#: Size of the cache: tables, least recently used first, and commits of each whose infos are kept whole.
_TABLES, _COMMITS = 16, 1_000

_COMMITS_AT_ONCE = 64

#: Returns the lines of a commit. Raises MissingError if it was cleaned up.
ReadCommit = Callable[[int], bytes]


def commit_infos(key: str, after: int, upto: int, read: ReadCommit) -> list[dict[str, Any]]:
    """Return the commit infos of a table after one version and up to another, oldest first, each with its `version`.

    Infos that were cleaned up are missing. This process reads each one once. Of old infos, it keeps only list items
    (such as days) that no later info repeats: so the last commit that names a day is always known.
    """
    since, last, infos = _CACHE.get(key, (after, after, ()))
    if after < since or last > upto:  # also where an older state of the table was restored
        since, last, infos = after, after, ()
    if last < upto:
        infos = _bounded((*infos, *_infos(last, upto, read)))
    with _LOCK:
        _CACHE[key] = (since, upto, infos)
        _CACHE.move_to_end(key)
        if len(_CACHE) > _TABLES:
            _CACHE.popitem(last=False)
    return [info for info in infos if info["version"] > after]


def forget(key: str) -> None:
    """Clear the cache of a table: another log may have replaced its own."""
    with _LOCK:
        _CACHE.pop(key, None)


def _bounded(infos: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    """Shorten old infos once there are twice as many as are kept whole."""
    if len(infos) <= 2 * _COMMITS:
        return infos
    repeated, bounded = set[tuple[str, str]](), list[dict[str, Any]]()
    for number, info in enumerate(reversed(infos)):
        lists = {name: _texts(value) for name, value in info.items() if isinstance(value, list)}
        new_texts = {name: [text for text in texts if (name, text) not in repeated] for name, texts in lists.items()}
        repeated.update((name, text) for name, texts in new_texts.items() for text in texts)
        if number < _COMMITS:
            bounded.append(info)
        elif any(new_texts.values()):
            bounded.append({**new_texts, "version": info["version"]})
    return tuple(reversed(bounded))


def _texts(values: list[Any]) -> list[str]:
    return [value for value in values if isinstance(value, str)]


def _infos(after: int, upto: int, read: ReadCommit) -> list[dict[str, Any]]:
    """Read commit infos from the log.

    `DeltaTable.history` is not used: it counts from the latest commit and gives it the number of the snapshot.
    """

    def info(version: int) -> dict[str, Any] | None:
        try:
            lines = read(version).splitlines()
        except MissingError:
            return None
        infos = (json.loads(line)["commitInfo"] for line in lines if line.startswith(b'{"commitInfo"'))
        return {**next(infos, {}), "version": version}

    newest_first: list[dict[str, Any]] = []
    for upper in range(upto, after, -_COMMITS_AT_ONCE):
        versions = range(upper, max(after, upper - _COMMITS_AT_ONCE), -1)
        infos = [commit for commit in map_threads(info, versions) if commit is not None]
        newest_first.extend(infos)
        if len(infos) < len(versions):
            break
    return newest_first[::-1]

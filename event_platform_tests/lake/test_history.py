"""What a process remembers of a table's log: enough for a sensor, and no more the longer it runs."""

import json
import uuid
from typing import Any

import pytest

from event_platform.events.errors import MissingError
from event_platform.lake import history
from event_platform.lake.history import commit_infos


class Log:
    """A log whose commits name days; each notes which were read."""

    def __init__(self, days: int) -> None:
        """Have commits name one of so many days each, in turn, and a new one now and then."""
        self.days, self.read = days, list[int]()

    def commit(self, version: int) -> bytes:
        """Return a commit."""
        self.read.append(version)
        info = {"created_dates": self.named(version), "arrival_dates": [f"a{version % 3}"], "operation": "WRITE"}
        return f'{{"add":{{}}}}\n{{"commitInfo":{json.dumps(info)}}}\n'.encode()

    def named(self, version: int) -> list[str]:
        """Return the days that a commit names."""
        return [f"d{version % self.days}", *([f"once{version}"] if version % 100 == 0 else [])]


def last(infos: list[dict[str, Any]]) -> dict[str, int]:
    """Return which commit was the last to name each day."""
    return {day: info["version"] for info in infos for day in info.get("created_dates", [])}


def test_what_is_remembered_of_a_table_does_not_grow_with_its_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """But with the days that they name; the last commit of each day is known as from the whole log."""
    monkeypatch.setattr(history, "_COMMITS", 20)
    log, table = Log(days=7), str(uuid.uuid4())
    whole = {day: version for version in range(1, 2001) for day in log.named(version)}
    for upto in range(10, 2001, 10):
        infos = commit_infos(table, 0, upto, log.commit)
        assert len(infos) <= 2 * 20 + 10 + 7 + 20
    assert last(infos) == whole
    assert last(commit_infos(table, 1990, 2000, log.commit)) == {day: at for day, at in whole.items() if at > 1990}
    assert infos[-1]["operation"] == "WRITE"
    assert sorted(log.read) == list(range(1, 2001))  # each once


def test_tables_that_nobody_asks_for_any_more_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as those that were made anew."""
    monkeypatch.setattr(history, "_TABLES", 3)
    history._CACHE.clear()
    log, tables = Log(days=2), [str(uuid.uuid4()) for _ in range(5)]
    for table in tables:
        commit_infos(table, 0, 3, log.commit)
        commit_infos(tables[0], 0, 3, log.commit)
    assert list(history._CACHE) == [*tables[3:], tables[0]]


def test_commits_that_were_cleaned_up_are_missing() -> None:
    """And nothing before them is asked for."""

    def read(version: int) -> bytes:
        if version < 5:
            raise MissingError("gone")
        return b'{"commitInfo":{"created_dates":[1,"d"]}}'

    assert [info["version"] for info in commit_infos(str(uuid.uuid4()), 0, 7, read)] == [5, 6, 7]

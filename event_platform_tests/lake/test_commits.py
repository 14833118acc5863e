"""Who made the commits of a log, and what that leaves of a partition: also where writers work side by side."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from event_platform.events.errors import MissingError
from event_platform.lake.commits import commit_info, foreign_versions
from event_platform_tests.support.world import MONDAY, TUESDAY, WEDNESDAY

Lines = list[dict[str, Any]]


def platform(known: int, *replaced: Any, foreign: dict[Any, int] | None = None) -> Lines:
    """A commit of the platform on top of the version that it knew."""
    return [{"commitInfo": commit_info("id", known, replaced, foreign or {})}]


def others(*days: Any, data_change: bool = True) -> Lines:
    """A commit of somebody else, which adds a file to each of some partitions."""
    adds = [
        {"add": {"path": "x", "partitionValues": {"created_date": f"{day}"}, "dataChange": data_change}} for day in days
    ]
    return [{"commitInfo": {"operation": "WRITE"}}, *adds]


CREATION: Lines = [{"commitInfo": {"operation": "CREATE TABLE"}}, {"metaData": {}}]


@pytest.mark.parametrize(
    ("log", "found"),
    [
        pytest.param([CREATION], {}, id="a new table"),
        pytest.param([CREATION, platform(0, MONDAY)], {}, id="the platform's alone"),
        pytest.param([CREATION, others(MONDAY, TUESDAY)], {MONDAY: 1, TUESDAY: 1}, id="somebody else's alone"),
        pytest.param([CREATION, platform(0, MONDAY), others(MONDAY)], {MONDAY: 2}, id="changed after it"),
        pytest.param(
            [CREATION, platform(0, MONDAY), others(MONDAY), platform(2, TUESDAY, foreign={MONDAY: 2})],
            {MONDAY: 2},
            id="another partition is written later",
        ),
        pytest.param(
            [CREATION, others(MONDAY), platform(1, MONDAY, foreign={MONDAY: 1})], {}, id="written whole again"
        ),
        pytest.param(
            [CREATION, platform(0, MONDAY), others(MONDAY), platform(1, MONDAY)],
            {MONDAY: 2},
            id="changed while the platform wrote it",
        ),
        pytest.param(
            [CREATION, others(MONDAY), platform(1, MONDAY, foreign={MONDAY: 1}), platform(1, foreign={MONDAY: 1})],
            {},
            id="written whole while the platform wrote another partition",
        ),
        pytest.param(
            [CREATION, platform(0, MONDAY), others(MONDAY, data_change=False)], {}, id="moved from file to file"
        ),
        pytest.param(
            [CREATION, others(MONDAY), [{"commitInfo": {"commit_id": "of an older release"}}]],
            {},
            id="a commit of an older release",
        ),
    ],
)
def test_the_partitions_that_others_changed(log: list[Lines], found: dict[Any, int]) -> None:
    """Whoever commits last knows what was before, and those who committed meanwhile are asked themselves."""
    assert foreign_versions(len(log) - 1, [MONDAY, TUESDAY, WEDNESDAY], reading(log)) == found


def test_a_log_that_was_cleaned_up_says_nothing() -> None:
    """Of the commits that are left the first is the platform's."""
    log = [CREATION, others(MONDAY), others(TUESDAY)]
    assert foreign_versions(2, [MONDAY, TUESDAY], reading(log, first=2)) == {TUESDAY: 2}


def test_a_table_that_others_write_to_is_read_only_so_far() -> None:
    """Each commit is a request: beyond two hundred all of its partitions are taken for changed."""
    log, asked = [CREATION, *[others(MONDAY)] * 500], list[int]()
    read = reading(log)

    def counting(version: int) -> bytes:
        asked.append(version)
        return read(version)

    assert foreign_versions(500, [MONDAY, TUESDAY], counting) == {MONDAY: 500, TUESDAY: 500}
    assert len(asked) == 200


def test_one_commit_is_read_where_the_platform_made_the_last_one() -> None:
    """However many there are before it."""
    log, asked = [CREATION, *[platform(number, MONDAY) for number in range(50)]], list[int]()
    read = reading(log)

    def counting(version: int) -> bytes:
        asked.append(version)
        return read(version)

    assert foreign_versions(50, [MONDAY], counting) == {}
    assert asked == [50]


def reading(log: list[Lines], first: int = 0) -> Callable[[int], bytes]:
    """Return what reads the commits of a log, of which those before the first were cleaned up."""

    def read(version: int) -> bytes:
        if version < first:
            raise MissingError(f"{version}")
        return "\n".join(json.dumps(action) for action in log[version]).encode()

    return read

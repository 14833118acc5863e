"""A name that is not in the catalog is new, misspelled, or has an id in it."""

import pytest

from event_platform.checks.faults import Fault
from event_platform.checks.spelling import find_name_faults

REGISTERED = frozenset({"lesson:started", "payment:order:created", "level:1:done", "***"})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Lesson Started", "lesson:started"),
        ("lesson_started", "lesson:started"),
        ("LESSONSTARTED", "lesson:started"),
        ("lesson:startd", "lesson:started"),
        ("lesson:starteds", "lesson:started"),
        ("payment:order:deleted", None),
        ("payment:order:create", "payment:order:created"),
        ("payment:ordre:created", "payment:order:created"),
        ("level:2:done", None),
        ("lesson:completed", None),
        ("???", None),
        ("x", None),
    ],
)
def test_a_misspelled_name_is_that_of_a_registered_event(name: str, meant: str | None) -> None:
    """But for case, separators, or a letter or two in each part; not another verb, and not another number."""
    counts, hints = find_name_faults({name: 3}, REGISTERED)
    if meant is None:
        assert (counts, hints) == ({Fault.UNREGISTERED_NAMES: 3}, {Fault.UNREGISTERED_NAMES: f"Most are {name}"})
    else:
        assert counts == {Fault.MISSPELLED_NAMES: 3}
        assert hints == {Fault.MISSPELLED_NAMES: f"{name} looks like {meant}"}


def test_each_event_counts_for_one_fault() -> None:
    """However its name fails; the most frequent names are in the hints."""
    names = {"lesson-started": 5, "new:1": 1, "new:b": 2, **{f"user:{number}": 1 for number in range(1_000)}}
    counts, hints = find_name_faults(names, REGISTERED)
    assert counts == {Fault.NAMES_WITH_IDS: 1_000, Fault.MISSPELLED_NAMES: 5, Fault.UNREGISTERED_NAMES: 3}
    assert hints[Fault.NAMES_WITH_IDS] == "1,000 names look like user:…"
    assert hints[Fault.UNREGISTERED_NAMES] == "Most are new:b, new:1"
    assert find_name_faults({}, REGISTERED) == ({}, {})

"""How messages say numbers and lists."""

import pytest

from event_platform.events.wording import counted, first_few


def test_one_is_singular() -> None:
    """And large numbers have commas."""
    assert [counted(count, "object") for count in (0, 1, 2000)] == ["0 objects", "1 object", "2,000 objects"]


@pytest.mark.parametrize(
    ("items", "listed"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a, b"),
        (["a", "b", "c"], "a, b and 1 more"),
        (range(1500), "0, 1 and 1,498 more"),
    ],
)
def test_the_first_few_are_listed_and_the_others_counted(items: list[object], listed: str) -> None:
    """By what they are, where that is said."""
    assert first_few(items, 2) == listed
    assert first_few(items, 2, "days") == (f"{listed} days" if "more" in listed else listed)
    assert first_few(items, 2, separator="; ") == listed.replace(", ", "; ", 1).replace(" and", "; and")

"""Names that cannot be event types are noticed: too many of them, or names that hold an id."""

import pytest

from event_platform.events.envelope import Envelope
from event_platform.events.errors import CatalogError
from event_platform.events.names import MAX_EVENT_TYPES, describe_names_like_ids, require_draftable_names

UUIDS = [f"{number:08x}-1234-4abc-8def-{number:012x}" for number in range(1, 31)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([f"user:{number}" for number in range(30)], "30 names look like ids: user:… (user:0, user:1, user:10 and "),
        ([f"page:{uuid}:viewed" for uuid in UUIDS], f"30 names look like ids: page:…:viewed (page:{UUIDS[0]}:viewed, "),
        ([f"order-{number:x}ab12cd" for number in range(16, 46)], "30 names look like ids: order-… (order-10ab12cd, "),
        (
            [f"a{number}:b" for number in range(25)] + [f"c{number}" for number in range(40)],
            "40 names look like ids: c…",
        ),
    ],
)
def test_names_that_differ_only_in_an_id_are_told_by_their_pattern(names: list[str], expected: str) -> None:
    """With some of them, and how many there are: of the largest group."""
    description = describe_names_like_ids([*names, "account:created"])
    assert description is not None
    assert description.startswith(expected)


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["account:created", "account:closed"],
        [f"step{number}:done" for number in range(19)],
        [f"{first}{second}:faced" for first in "abcdef" for second in "abcdef"],
    ],
)
def test_names_of_types_are_not_taken_for_ids(names: list[str]) -> None:
    """A few that are numbered are none, nor are words of the letters that hexadecimal numbers have."""
    assert describe_names_like_ids(names) is None


def test_a_catalog_is_drafted_for_a_thousand_names_and_no_more() -> None:
    """The error says how many there are, which, why, and where to mend it."""
    names = [f"user:{number:05}" for number in range(MAX_EVENT_TYPES + 1)]
    require_draftable_names(names[:-1], Envelope())
    envelope = Envelope(event_name=(("type",), ("payload", "action")))
    with pytest.raises(CatalogError) as raised:
        require_draftable_names(names, envelope)
    for part in ("1,001 so far", "user:00000, user:00001", "user:…", "type and payload.action", "envelope.yaml"):
        assert part in str(raised.value)

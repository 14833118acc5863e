"""What event names look like as a whole: too many of them, or too much alike, to be the event types of a stream."""

import re
from collections import defaultdict
from collections.abc import Iterable

from event_platform.events.envelope import Envelope
from event_platform.events.errors import CatalogError

#: Event types that a catalog is drafted for: each has a schema, a table and an asset.
MOST_NAMES = 1_000

#: So many names that differ only in digits are not the steps or versions of something.
_MANY_ALIKE = 20
_SHOWN = 3

#: What differs between names that hold an id: a UUID or another hexadecimal number with a digit in it, or a number.
_ID = re.compile(
    r"(?<![A-Za-z0-9])(?=[a-fA-F-]*\d)[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9])(?=[a-fA-F]*\d)[0-9a-fA-F]{6,}(?![A-Za-z0-9])"
    r"|\d+"
)


def names_like_ids(names: Iterable[str]) -> str | None:
    """Return a sentence about the largest group of names that differ only in an id; None where no group is large."""
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        pattern = _ID.sub("…", name)
        if pattern != name:
            alike[pattern].append(name)
    pattern, group = max(alike.items(), key=lambda each: len(each[1]), default=("", []))
    if len(group) < _MANY_ALIKE:
        return None
    return f"{len(group):,} names look like ids: {pattern} ({', '.join(sorted(group)[:_SHOWN])} and others)"


def refuse_too_many(names: Iterable[str], envelope: Envelope) -> None:
    """Raise CatalogError where there are more names than a catalog is drafted for, with what to do about it."""
    listed = sorted(names)
    if len(listed) <= MOST_NAMES:
        return
    fields = " and ".join(".".join(path) for path in envelope.event_name)
    ids = names_like_ids(listed)
    raise CatalogError(
        f"landing has more than the {MOST_NAMES:,} event names that a catalog is drafted for: {len(listed):,} so far, "
        f"such as {', '.join(listed[:_SHOWN])}. No schema was written. {f'{ids}. ' if ids else ''}"
        f"The envelope takes the name from {fields}: event_name in envelope.yaml should name the fields that say what "
        "happened, and none that holds an id"
    )

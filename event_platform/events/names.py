"""Whether event names can be event types: not too many, and not names with an id in them."""

import re
from collections import defaultdict
from collections.abc import Iterable

from event_platform.events.envelope import Envelope
from event_platform.events.errors import CatalogError

#: Event types in a drafted catalog. Each gets a schema, a table and an asset.
MAX_EVENT_TYPES = 1_000

#: More names than this that differ only in digits are not steps or versions of something.
_MANY_ALIKE = 20
_SHOWN = 3

#: The part of a name that may be an id: a UUID, another hexadecimal number with a digit in it, or a number.
_ID = re.compile(
    r"(?<![A-Za-z0-9])(?=[a-fA-F-]*\d)[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9])(?=[a-fA-F]*\d)[0-9a-fA-F]{6,}(?![A-Za-z0-9])"
    r"|\d+"
)


#: What is between the parts of a name.
SEPARATORS = re.compile(r"[\W_]+")


def plain_name(name: str) -> str:
    """Return a normal form that is equal for names differing only in case and separators."""
    return SEPARATORS.sub("", name).casefold() or name


def names_like_ids(names: Iterable[str]) -> tuple[str, list[str]]:
    """Return the pattern and names of the largest group that differs only in an id; no names if no group is large."""
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        pattern = _ID.sub("…", name)
        if pattern != name:
            alike[pattern].append(name)
    pattern, group = max(alike.items(), key=lambda item: len(item[1]), default=("", []))
    return (pattern, group) if len(group) >= _MANY_ALIKE else ("", [])


def describe_names_like_ids(names: Iterable[str]) -> str | None:
    """Describe the largest group of names that differ only in an id; None if no group is large."""
    pattern, group = names_like_ids(names)
    if not group:
        return None
    return f"{len(group):,} names look like ids: {pattern} ({', '.join(sorted(group)[:_SHOWN])} and others)"


def require_draftable_names(names: Iterable[str], envelope: Envelope) -> None:
    """Raise CatalogError if there are too many names to draft a catalog, and say how to change the envelope."""
    listed = sorted(names)
    if len(listed) <= MAX_EVENT_TYPES:
        return
    fields = " and ".join(".".join(path) for path in envelope.event_name)
    ids = describe_names_like_ids(listed)
    raise CatalogError(
        f"landing has more event names than a catalog is drafted for ({MAX_EVENT_TYPES:,}): {len(listed):,} so far, "
        f"such as {', '.join(listed[:_SHOWN])}. No schema was written. {f'{ids}. ' if ids else ''}"
        f"The envelope takes the name from {fields}: event_name in envelope.yaml should name the fields that say what "
        "happened, and none that holds an id"
    )

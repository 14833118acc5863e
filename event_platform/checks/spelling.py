"""Why event names are not in the catalog: they are new, misspelled, or have an id in them."""

import re
from collections import Counter
from collections.abc import Mapping
from difflib import SequenceMatcher, get_close_matches
from functools import lru_cache

from event_platform.checks.faults import Fault
from event_platform.events.names import SEPARATORS, names_like_ids, plain_name

#: The most frequent names that are compared letter by letter. That takes about 10 µs for each registered name.
_COMPARED = 20

#: Similarity of two names (of `difflib`), and of each of their parts, above which one is the other misspelled:
#: `order:created` and `order:deleted` are two events.
_SIMILAR, _SIMILAR_PARTS = 0.85, 0.8
_CANDIDATES = 3

_SHOWN = 3

_DIGITS = re.compile(r"\d+")


def find_name_faults(names: Mapping[str, int], registered: frozenset[str]) -> tuple[dict[Fault, int], dict[Fault, str]]:
    """Return the events of each fault, and a hint for each that names the most frequent ones.

    `names` are the unregistered names with their events.
    """
    pattern, like_ids = names_like_ids(names)
    others = Counter(names)
    for name in like_ids:
        del others[name]
    meant = find_meant_names(others, registered)
    misspelled = {name: others.pop(name) for name in meant}
    counts = {
        Fault.NAMES_WITH_IDS: sum(names[name] for name in like_ids),
        Fault.MISSPELLED_NAMES: sum(misspelled.values()),
        Fault.UNREGISTERED_NAMES: others.total(),
    }
    hints = {
        Fault.NAMES_WITH_IDS: f"{len(like_ids):,} names look like {pattern}",
        Fault.MISSPELLED_NAMES: "; ".join(
            f"{name} looks like {meant[name]}" for name, _ in Counter(misspelled).most_common(_SHOWN)
        ),
        Fault.UNREGISTERED_NAMES: f"Most are {', '.join(name for name, _ in others.most_common(_SHOWN))}",
    }
    found = {fault: count for fault, count in counts.items() if count}
    return found, {fault: hints[fault] for fault in found}


def find_meant_names(names: Counter[str], registered: frozenset[str], compared: int = _COMPARED) -> dict[str, str]:
    """Return the registered name of each name that may mean one: the same but for case and separators, or similar.

    Of names that are not the same, the most frequent ones are `compared`.
    """
    plain = _plain_names(registered)
    same = {name: plain.get(plain_name(name)) for name in names}
    frequent = [name for name, _ in names.most_common(compared)]
    found = same | {name: _similar(name, registered) for name in frequent if same[name] is None}
    return {name: meant for name, meant in found.items() if meant is not None}


@lru_cache(maxsize=16)
def _plain_names(registered: frozenset[str]) -> dict[str, str]:
    return {plain_name(name): name for name in sorted(registered)}


@lru_cache(maxsize=1_000)
def _similar(name: str, registered: frozenset[str]) -> str | None:
    candidates = get_close_matches(name, sorted(registered), _CANDIDATES, _SIMILAR)
    return next((each for each in candidates if _is_misspelled(name, each)), None)


def _is_misspelled(name: str, other: str) -> bool:
    """Return whether two names differ by a few letters in each part. Names that differ in a number are two names."""
    parts, others = SEPARATORS.split(name), SEPARATORS.split(other)
    if len(parts) != len(others) or _DIGITS.sub("", name) == _DIGITS.sub("", other):
        return False
    ratios = (SequenceMatcher(None, *pair).ratio() for pair in zip(parts, others, strict=True))
    return all(ratio >= _SIMILAR_PARTS for ratio in ratios)

"""Candidates for the name of an event."""

from collections.abc import Sequence
from dataclasses import dataclass

from event_platform.events.corruption import is_name
from event_platform.events.envelope_fields import join_names
from event_platform.events.proposing.fields import Field

#: Maximum number of proposed names, and as a share of the records.
_MOST, _SHARE, _FEW = 600, 0.5, 12

#: A name is shorter than a sentence.
_LENGTH = 100

#: Minimum share of records that have the main part, and another part.
_COVERAGE, _PART_COVERAGE = 0.95, 0.02

#: Keys of what happened, the surest first; of its object or place; and of further details.
_MAIN = (
    *("eventname", "eventtype", "event", "detailtype", "cetype", "type", "actiontype", "kind", "name", "topic", "rule"),
    *("eventid", "eventaction", "action", "verb", "operation", "op", "method", "path", "logtype", "messagetype"),
    *("category", "code", "status"),
)
_BEFORE = ("eventsource", "eventcategory", "providername", "channel", "table", "resource", "objecttype")
_BEHIND = ("action", "event", "subtype", "eventsubtype", "verb")

#: Last words of keys that name what happened, whatever precedes them: `X-GitHub-Event`.
_LAST_WORDS = ("event", "topic")


@dataclass(frozen=True)
class NameFields:
    """Fields that are joined to the name; no fields means a constant."""

    fields: tuple[Field, ...]
    score: float
    names: int

    @property
    def name(self) -> str:
        """The fields as they are shown."""
        return " and ".join(field.name for field in self.fields) or "a constant"


def rank_names(fields: Sequence[Field], taken: Sequence[Field]) -> list[NameFields]:
    """Return the fields that make names, the best first, and at last the constant. `taken` are the id and the time."""
    usable = [field for field in fields if field not in taken and _is_category(field)]
    main = sorted((field for field in usable if _main_rank(field) is not None), key=_quality, reverse=True)
    joined = [_join_parts(field, usable) for field in main if field.coverage >= _COVERAGE]
    return [*joined, NameFields((), 0, 1)]


def _is_category(field: Field) -> bool:
    values = list(field.values.values())
    return (
        field.is_scalar
        and field.distinct <= min(_MOST, max(_FEW, _SHARE * len(values)))
        and all(len(str(value)) <= _LENGTH and is_name(str(value)) for value in values)
    )


def _rank(field: Field, keys: Sequence[str]) -> int | None:
    return keys.index(field.key) if field.key in keys else None


def _main_rank(field: Field) -> int | None:
    rank = _rank(field, _MAIN)
    return len(_MAIN) if rank is None and field.words[-1:] and field.words[-1] in _LAST_WORDS else rank


def _quality(field: Field) -> float:
    rank = _main_rank(field)
    depth = len(field.path) - 1
    # A constant field distinguishes nothing.
    return (1 if field.distinct > 1 else 0.3) - 0.02 * (rank or 0) - 0.2 * depth


def _join_parts(main: Field, usable: Sequence[Field]) -> NameFields:
    """Add the parts before and after the main part, if they distinguish more events."""
    chosen = [main]
    for keys, is_before in ((_BEFORE, True), (_BEHIND, False)):
        others = [field for field in usable if _rank(field, keys) is not None and field not in chosen]
        others = [field for field in others if _adds(field, main) and len(field.path) <= 2]  # noqa: PLR2004 - as above
        part = min(others, key=lambda field: (len(field.path), _rank(field, keys)), default=None)
        if part is not None:
            joined = [part, *chosen] if is_before else [*chosen, part]
            tells_more = is_before or _count(joined) > _count(chosen)
            chosen = joined if tells_more and _count(joined) <= _MOST else chosen
    return NameFields(tuple(chosen), _quality(main), _count(chosen))


def _adds(part: Field, main: Field) -> bool:
    if part.distinct <= 1 or part.coverage < _PART_COVERAGE:
        return False
    return part.path != main.path and part.values != main.values


def _count(parts: Sequence[Field]) -> int:
    numbers = set().union(*(field.values for field in parts))
    texts = ([_text(field, number) for field in parts] for number in numbers)
    return len({join_names(text) for text in texts})


def _text(field: Field, number: int) -> str | None:
    value = field.values.get(number)
    return None if value is None else str(value)

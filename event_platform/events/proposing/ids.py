"""Which field tells an event from every other, or which several do."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from event_platform.events.event import MAX_UUID_LENGTH
from event_platform.events.proposing.fields import Field, has_any

#: Of an id every record has one, and no other record has the same; a share for what is damaged in the sample.
_COVERAGE, _UNIQUE = 0.99, 0.999

#: Fields of which pairs are tried, and how much a field must look like an id to be one of a pair.
_IN_PAIRS, _LIKE_ID = 14, 0.3

_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_OPAQUE = re.compile(r"(?=.*\d)[A-Za-z0-9_\-:.=+/]{12,}")

_ID_WORDS = {"id", "uuid", "guid", "uid", "ulid", "ids"}
_ID_KEYS = {
    *("id", "uuid", "uid", "guid", "event_id", "event_uuid", "message_id", "insert_id", "audit_id", "record_id"),
    *("log_id", "transaction_id", "delivery", "delivery_id", "x_github_delivery", "webhook_id", "dedup_id"),
}
_OTHER_WORDS = {
    *("request", "session", "user", "account", "parent", "trace", "span", "correlation", "distinct", "anonymous"),
    *("device", "client", "customer", "order", "actor", "repo", "job", "flow", "org", "team", "visitor", "person"),
    *("process", "thread", "sequence", "seq", "offset", "batch", "domain", "network", "page", "product"),
}


@dataclass(frozen=True)
class IdFields:
    """Fields that make an id, and how well they do. None of them: the hash of the body."""

    fields: tuple[Field, ...]
    score: float
    distinct_share: float

    @property
    def is_hashed(self) -> bool:
        """Whether they are hashed, because not all are texts or integers, or because there are none."""
        return not self.fields or not all(field.is_scalar for field in self.fields)

    @property
    def name(self) -> str:
        """The id as it is shown."""
        return " and ".join(field.name for field in self.fields) or "the hash of the body"


def rank_ids(fields: Sequence[Field], time: Field | None) -> list[IdFields]:
    """Return the fields that are ids, the best first: single ones, else pairs; and at last the hash of the body."""
    everywhere = [field for field in fields if field.coverage >= _COVERAGE and field != time and _is_short(field)]
    single = [
        IdFields((field,), _score(field), field.distinct_share)
        for field in everywhere
        if field.is_scalar and field.distinct_share >= _UNIQUE and _score(field) >= _LIKE_ID
    ]
    found = sorted(single, key=lambda each: -each.score)
    if not found:
        found = sorted(_pairs(everywhere, time), key=lambda each: -each.score)
    return [*found, IdFields((), 0, 1)]


def _pairs(everywhere: Sequence[Field], time: Field | None) -> list[IdFields]:
    """Return the pairs of which no two records have the same: one that looks like an id, and another."""
    likely = sorted(everywhere, key=lambda field: -_score(field))[:_IN_PAIRS]
    with_time = [*likely, *([time] if time is not None else [])]
    return [
        IdFields((first, second), _score(first) + 0.1 / (1 + second.distinct), share)
        for first, second in combinations(with_time, 2)
        if _score(first) >= _LIKE_ID and (share := _distinct_share(first, second)) >= _UNIQUE
    ]


def _distinct_share(first: Field, second: Field) -> float:
    both = [(value, second.values[number]) for number, value in first.values.items() if number in second.values]
    return len(set(both)) / len(both) if len(both) >= _COVERAGE * first.records else 0


def _is_short(field: Field) -> bool:
    return all(len(str(value)) <= MAX_UUID_LENGTH for value in field.values.values())


def _score(field: Field) -> float:
    texts = [str(value) for value in field.values.values()]
    score = 0.3 if all(map(_UUID.fullmatch, texts)) else 0.15 if all(map(_OPAQUE.fullmatch, texts)) else 0
    score += 0.3 if has_any(field, _ID_WORDS) or field.key in _ID_KEYS or field.key.endswith("id") else 0
    score += 0.3 if field.key in _ID_KEYS else 0
    score -= 0.3 if has_any(field, _OTHER_WORDS) else 0
    return score - 0.12 * (len(field.path) - 1)

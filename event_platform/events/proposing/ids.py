"""Candidates for the id of an event: single fields or combinations."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from event_platform.events.corruption import MAX_UUID_LENGTH
from event_platform.events.proposing.fields import Field, has_any

#: Every record has its own id, except a share for damage in the sample. A field with ids in most records is offered to
#: the user.
_COVERAGE, _UNIQUE, _MOST = 0.99, 0.999, 0.5

#: Number of fields tried in pairs; the minimum score as an id, alone and in a pair; and the minimum share of distinct
#: records of a pair. More repetitions mean a kind of event.
_IN_PAIRS, _LIKE_ID, _LIKE_ID_IN_PAIR, _OWN = 14, 0.15, 0.3, 0.3

_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_OPAQUE = re.compile(r"(?=.*\d)[A-Za-z0-9_\-:.=+/]{12,}")

_ID_WORDS = {"id", "uuid", "guid", "uid", "ulid", "ids"}
#: Keys of ids, the surest first.
_ID_KEYS = (
    *("eventid", "eventuuid", "uuid", "id", "guid", "uid", "messageid", "insertid", "auditid", "recordid", "logid"),
    *("deliveryid", "xgithubdelivery", "xshopifywebhookid", "webhookid", "dedupid", "transactionid"),
)
#: Words of the ids of something else.
_OTHER_WORDS = {
    *("request", "session", "user", "account", "parent", "trace", "span", "correlation", "distinct", "anonymous"),
    *("device", "client", "customer", "order", "actor", "repo", "job", "flow", "org", "team", "visitor", "person"),
    *("process", "thread", "sequence", "seq", "offset", "batch", "domain", "network", "page", "product"),
}


@dataclass(frozen=True)
class IdFields:
    """Fields that form an id, and their score. No fields means the hash of the body."""

    fields: tuple[Field, ...]
    score: float
    distinct_share: float

    @property
    def is_hashed(self) -> bool:
        """Whether they are hashed, because some are neither texts nor integers, or because there are none."""
        return not self.fields or not all(field.is_scalar for field in self.fields)

    @property
    def name(self) -> str:
        """The id as it is shown."""
        return " and ".join(map(_shown, self.fields)) or "the hash of the body"


def rank_ids(fields: Sequence[Field], times: Sequence[Field]) -> list[IdFields]:
    """Return the candidates for the id, the best first: single fields, else pairs; and last the hash of the body.

    `times`, the best first, are never ids alone; the best one may be part of an id. If only the hash is certain,
    uncertain single fields follow: some records lack them, or they are ids of something else.
    """
    short = [field for field in fields if field.coverage >= _MOST and field not in times and _is_short(field)]
    unique = [field for field in short if field.is_scalar and field.distinct_share >= _UNIQUE]
    unique = sorted((field for field in unique if _score(field) >= _LIKE_ID), key=lambda field: -_score(field))
    sure = [field for field in unique if _is_everywhere(field) and not _is_of_other(field)]
    ranked = [IdFields((field,), _score(field), field.distinct_share) for field in sure]
    if not ranked:
        everywhere = filter(_is_everywhere, short)
        ranked = sorted(_pairs([*everywhere, *times[:1]]), key=lambda pair: -pair.score)
    doubtful = [] if ranked else [IdFields((field,), -1, field.distinct_share) for field in unique]
    return [*ranked, IdFields((), 0, 1), *doubtful]


def _is_of_other(field: Field) -> bool:
    """Return whether the field is the id of something else, which several events may share."""
    return not field.path_words.isdisjoint(_OTHER_WORDS)


def _is_everywhere(field: Field) -> bool:
    return field.coverage >= _COVERAGE


def _pairs(fields: Sequence[Field]) -> list[IdFields]:
    """Return the pairs that are distinct in all records: one field that looks like an id, and another field.

    A pair that is unique only by chance would make different events duplicates; the hash of the body does not.
    """
    likely = sorted(filter(_is_word, fields), key=lambda field: -_score(field))[:_IN_PAIRS]
    return [
        IdFields((first, second), _pair_score(first, second), share)
        for first, second in permutations(likely, 2)
        if _looks_like_id(first) and (share := _distinct_share(first, second)) >= _UNIQUE
    ]


def _looks_like_id(field: Field) -> bool:
    """Return whether a text that some records have in common is an id of theirs, rather than a kind of event."""
    return field.is_text and _score(field) >= _LIKE_ID_IN_PAIR and _OWN <= field.distinct_share < _UNIQUE


def _pair_score(first: Field, second: Field) -> float:
    """Prefer as the second a kind of event, which has few values, then another id."""
    return _score(first) + 0.1 / (1 + second.distinct) + (0.01 if has_any(second, _ID_WORDS) else 0)


def _is_word(field: Field) -> bool:
    return not any(" " in str(value) for value in field.values.values())


def _distinct_share(first: Field, second: Field) -> float:
    both = [(value, second.values[number]) for number, value in first.values.items() if number in second.values]
    return len(set(both)) / len(both) if len(both) >= _COVERAGE * first.records else 0


def _is_short(field: Field) -> bool:
    return all(len(str(value)) <= MAX_UUID_LENGTH for value in field.values.values())


def _score(field: Field) -> float:
    texts = [str(value) for value in field.values.values()]
    score = 0.3 if all(map(_UUID.fullmatch, texts)) else 0.15 if all(map(_OPAQUE.fullmatch, texts)) else 0
    score += 0.3 if has_any(field, _ID_WORDS) or field.key in _ID_KEYS or field.key.endswith("id") else 0
    score += 0.35 - 0.005 * _ID_KEYS.index(field.key) if field.key in _ID_KEYS else 0
    score -= 0.3 if _is_of_other(field) else 0
    return score - 0.12 * (len(field.path) - 1)


def _shown(field: Field) -> str:
    lacking = "" if _is_everywhere(field) else f" (missing in {1 - field.coverage:.1%} of the records)"
    return f"{field.name}{lacking}"

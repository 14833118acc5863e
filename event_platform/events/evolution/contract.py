"""Compares the values that properties accept, as JSON Schemas: whether one accepts everything that another does.

Only the keywords of the property itself are compared; nested schemas (properties, items, map values) are compared
property by property. Types in `x-mixed` and `x-was-type` are accepted as well; `x-variant` accepts everything.
"""

import json
from collections.abc import Mapping
from typing import Any

from jsonschema_rs import Draft202012, canonicalize
from jsonschema_rs.canonical import Satisfiability

#: Keywords that do not restrict values.
_ANNOTATIONS = frozenset(
    ["$anchor", "$comment", "$defs", "$id", "$schema", "default", "deprecated", "description", "examples", "title"]
)
_MIXED, _EARLIER, _VARIANT = "x-mixed", "x-was-type", "x-variant"
_EARLIER_RULES = {"date": {"type": "string", "format": "date"}}
#: Keywords that make the type of a column.
_TYPE = [
    *("type", "format", "items", "additionalProperties"),
    *("x-decimal", "x-map", "x-variant", "x-was-type", "x-was", "x-column"),
]


def rules_of(definition: Mapping[str, Any], nested_keywords: frozenset[str]) -> dict[str, Any]:
    """Return the keywords that restrict the values of a property itself, without `nested_keywords`."""
    return {
        key: value
        for key, value in definition.items()
        if key not in _ANNOTATIONS | nested_keywords
        and (key in (_MIXED, _EARLIER, _VARIANT) or not key.startswith("x-"))
    }


def accepts_all(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Return whether `new` rules provably accept every value that `old` rules accept."""
    try:
        before, after = (
            canonicalize(_contract(rules), draft=Draft202012, validate_formats=True, offline=True)
            for rules in (old, new)
        )
        return before.subtract(after).satisfiability() == Satisfiability.NO
    except ValueError:  # a keyword that cannot be compared, such as a reference
        return False


def describe_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, str]:
    """Return the keywords that differ, from the old and the new schema: `minimum: 1`, `minimum: 2`."""
    keys = [key for key in {**old, **new} if (key in old, old.get(key)) != (key in new, new.get(key))]
    return _keyword_text(old, keys), _keyword_text(new, keys)


def describe(definition: Mapping[str, Any]) -> str:
    """Return the type of a property as it is written: `type: string, format: date`."""
    return _keyword_text(definition, _TYPE) or "no type"


def _keyword_text(definition: Mapping[str, Any], keys: list[str]) -> str:
    return ", ".join(f"{key}: {_text(definition[key])}" for key in keys if key in definition)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _contract(rules: Mapping[str, Any]) -> dict[str, Any]:
    if rules.get(_VARIANT):
        return {}
    schema = {key: value for key, value in rules.items() if key not in (_MIXED, _EARLIER)}
    earlier = [_EARLIER_RULES.get(name, {"type": name}) for name in rules.get(_EARLIER, ())]
    mixed = [{"type": list(rules[_MIXED])}] if rules.get(_MIXED) else []
    return {"anyOf": [schema, *earlier, *mixed]} if earlier or mixed else schema

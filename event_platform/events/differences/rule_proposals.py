"""Broken rules and unseen fields of a schema, with the changes to make if the producer is right."""

import json
from collections.abc import Iterator
from typing import Any

from event_platform.events.columns import Kind
from event_platform.events.constraints import REQUIRED, SEPARATOR
from event_platform.events.differences.arrivals import Arrivals
from event_platform.events.differences.field_proposals import describe_property
from event_platform.events.differences.proposal import Edit, Finding, Operation, Proposal
from event_platform.events.differences.schema_paths import SchemaPaths
from event_platform.events.personal import MASKED

#: Maximum number of new values to add to an `enum`. With more of them, the rule is removed.
_MAX_NEW_VALUES = 20

_ASK_PRODUCER = "if the producer is right: accept it with --field; else let the producer change"
_DEPRECATE = "no event of the last thirty days has it: deprecated: true says so to readers; accept it with --field"


def propose_rules(paths: SchemaPaths, arrivals: Arrivals, broken_share: float) -> Iterator[Proposal]:
    """Yield proposals for the rules that more than a share of the events break."""
    for rule, span in arrivals.rules().items():
        if arrivals.share(span.events) <= broken_share:
            continue
        keyword, _, column = rule.partition(SEPARATOR)
        path = paths.by_column[column]
        _, property_ = paths.by_path[path]
        edits = _edits(paths, arrivals, rule)
        values = arrivals.violations.get(rule, ())
        yield Proposal(
            Finding.BROKEN_RULE,
            paths.event_type.name,
            ".".join(path),
            span.events,
            arrivals.share(span.events),
            span.first,
            span.last,
            MASKED if values and paths.is_personal(path) else next(iter(values), ""),
            REQUIRED if keyword == REQUIRED else f"{keyword}: {_text(property_.definition[keyword])}",
            _describe_edits(keyword, edits),
            _ASK_PRODUCER,
            edits,
        )


def propose_unseen(paths: SchemaPaths, arrivals: Arrivals) -> Iterator[Proposal]:
    """Yield proposals for fields that no event has, except for fields that the schema marks as deprecated."""
    for column in sorted(arrivals.unseen_columns):
        path = paths.by_column[column]
        pointer, property_ = paths.by_path[path]
        if property_.definition.get("deprecated") is True:
            continue
        yield Proposal(
            Finding.UNSEEN,
            paths.event_type.name,
            ".".join(path),
            0,
            0.0,
            None,
            None,
            "",
            describe_property(property_.definition),
            "deprecated: true",
            _DEPRECATE,
            (Edit((*pointer, "deprecated"), value=True),),
        )


def _edits(paths: SchemaPaths, arrivals: Arrivals, rule: str) -> tuple[Edit, ...]:
    keyword, _, column = rule.partition(SEPARATOR)
    path = paths.by_column[column]
    pointer, property_ = paths.by_path[path]
    rule_pointer = (*pointer, keyword)
    if keyword == REQUIRED:
        return (Edit((*pointer[:-2], REQUIRED), pointer[-1], Operation.REMOVE),)
    if keyword == "enum":
        values = arrivals.violations.get(rule, ())
        if 0 < len(values) <= _MAX_NEW_VALUES:
            return tuple(Edit(rule_pointer, _value(text, property_.kind), Operation.APPEND) for text in values)
    bounds = {"minimum": arrivals.minima, "maximum": arrivals.maxima}.get(keyword, {})
    return (Edit(rule_pointer, bounds[column]) if column in bounds else Edit(rule_pointer, operation=Operation.DELETE),)


def _value(text: str, kind: Kind) -> Any:
    return text if kind is Kind.STRING else json.loads(text)


def _describe_edits(keyword: str, edits: tuple[Edit, ...]) -> str:
    match edits[0].operation:
        case Operation.REMOVE:
            return "optional"
        case Operation.DELETE:
            return f"without {keyword}"
        case Operation.APPEND:
            return f"{keyword} with {', '.join(_text(edit.value) for edit in edits)}"
        case Operation.SET:
            return f"{keyword}: {_text(edits[0].value)}"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)

"""Broken rules and unseen fields of a schema, with the changes to make if the producer is right."""

import json
from collections.abc import Iterator
from typing import Any

from event_platform.events.columns import Kind
from event_platform.events.constraints import REQUIRED, SEPARATOR
from event_platform.events.differences.arrived import Arrived
from event_platform.events.differences.field_proposals import describe_whole
from event_platform.events.differences.proposal import Edit, Finding, How, Proposal
from event_platform.events.differences.schema_paths import SchemaPaths
from event_platform.events.personal import MASKED

#: Maximum number of new values to add to an `enum`. With more, it is no list of values any more.
_MOST_VALUES = 20

_ASK = "if the producer is right: accept it with --field; else let the producer change"
_UNSEEN = "no event of the last thirty days has it: deprecated: true says so to readers; accept it with --field"


def propose_rules(paths: SchemaPaths, arrived: Arrived, broken_share: float) -> Iterator[Proposal]:
    """Yield proposals for the rules that more than a share of the events break."""
    for rule, span in arrived.rules().items():
        if arrived.share(span.events) <= broken_share:
            continue
        keyword, _, column = rule.partition(SEPARATOR)
        path = paths.by_column[column]
        _, found = paths.by_path[path]
        edits = _edits(paths, arrived, rule)
        values = arrived.violations.get(rule, ())
        yield Proposal(
            Finding.BROKEN_RULE,
            paths.event_type.name,
            ".".join(path),
            span.events,
            arrived.share(span.events),
            span.first,
            span.last,
            MASKED if values and paths.is_personal(path) else next(iter(values), ""),
            REQUIRED if keyword == REQUIRED else f"{keyword}: {_text(found.definition[keyword])}",
            _described(keyword, edits),
            _ASK,
            edits,
        )


def propose_unseen(paths: SchemaPaths, arrived: Arrived) -> Iterator[Proposal]:
    """Yield proposals for fields that no event has, except for fields that the schema marks as deprecated."""
    for column in sorted(arrived.unseen):
        path = paths.by_column[column]
        pointer, found = paths.by_path[path]
        if found.definition.get("deprecated") is True:
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
            describe_whole(found.definition),
            "deprecated: true",
            _UNSEEN,
            (Edit((*pointer, "deprecated"), value=True),),
        )


def _edits(paths: SchemaPaths, arrived: Arrived, rule: str) -> tuple[Edit, ...]:
    keyword, _, column = rule.partition(SEPARATOR)
    path = paths.by_column[column]
    pointer, found = paths.by_path[path]
    where = (*pointer, keyword)
    if keyword == REQUIRED:
        return (Edit((*pointer[:-2], REQUIRED), pointer[-1], How.REMOVE),)
    if keyword == "enum":
        values = arrived.violations.get(rule, ())
        if 0 < len(values) <= _MOST_VALUES:
            return tuple(Edit(where, _value(text, found.kind), How.APPEND) for text in values)
    bounds = {"minimum": arrived.minima, "maximum": arrived.maxima}.get(keyword, {})
    return (Edit(where, bounds[column]) if column in bounds else Edit(where, how=How.DELETE),)


def _value(text: str, kind: Kind) -> Any:
    return text if kind is Kind.STRING else json.loads(text)


def _described(keyword: str, edits: tuple[Edit, ...]) -> str:
    match edits[0].how:
        case How.REMOVE:
            return "optional"
        case How.DELETE:
            return f"without {keyword}"
        case How.APPEND:
            return f"{keyword} with {', '.join(_text(edit.value) for edit in edits)}"
        case How.SET:
            return f"{keyword}: {_text(edits[0].value)}"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)

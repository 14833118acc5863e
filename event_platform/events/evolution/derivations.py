"""The changes between the derived columns of two schemas of an event type."""

from collections.abc import Iterator

from event_platform.events.catalog import EventType
from event_platform.events.derivation.column import DerivedColumn
from event_platform.events.derivation.parsing import KEYWORD
from event_platform.events.evolution.change import Change, Impact
from event_platform.events.evolution.masking import compare_masking
from event_platform.events.evolution.widening import is_wider

_REBUILD = "event-platform run rebuilds the days that have other values"


def compare_derivations(before: EventType, after: EventType) -> Iterator[Change]:
    """Yield the changes of derived columns: rules, types and the files behind them."""
    old, new = ({each.name: each for each in event_type.derived} for event_type in (before, after))
    for name, new_column in new.items():
        old_column = old.get(name)
        if old_column is None:
            action = "event-platform run rebuilds the days that have values for it"
            yield _change(Impact.BACKFILL, after, name, "", describe(new_column), action)
        elif is_wider(new_column.column.kind, old_column.column.kind):
            action = "event-platform run rebuilds all days of the table in one commit"
            yield _change(Impact.BACKFILL, after, name, describe(old_column), describe(new_column), action)
        elif old_column.column.dtype != new_column.column.dtype:
            action = "a column keeps its type: give the derived column another name"
            yield _change(Impact.BREAKING, after, name, describe(old_column), describe(new_column), action)
        elif old_column.digest != new_column.digest:
            yield _change(Impact.BACKFILL, after, name, *_sides(old_column, new_column), _REBUILD)
        if old_column is not None:
            flags = {"before": old_column.column.is_personal, "after": new_column.column.is_personal}
            yield from compare_masking(after.name, f"{KEYWORD}.{name}", (name,), **flags)
    for name, old_column in old.items():
        if name not in new and name not in after.schema:
            action = f"column {name} is null from now on: keep it"
            yield _change(Impact.BREAKING, after, name, describe(old_column), "", action)


def describe(derived: DerivedColumn) -> str:
    """Return the type and the rule of a derived column."""
    return f"{derived.column.kind}: {derived.rule.formula}"


def _sides(old: DerivedColumn, new: DerivedColumn) -> tuple[str, str]:
    """Return the old and new text of a column. If they are equal, a file or column in its rule has changed."""
    before, after = describe(old), describe(new)
    if before != after:
        return before, after
    return f"{before} ({old.digest[:8]})", f"{after} ({new.digest[:8]})"


def _change(impact: Impact, event_type: EventType, name: str, before: str, after: str, action: str) -> Change:
    return Change(impact, event_type.name, f"{KEYWORD}.{name}", before, after, action, (name,))

"""The columns of an event type → lines of the table of its schema."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, Kind, typed, walk
from event_platform.quality.text import shown

_TEXT_LENGTH = 300
_VALUE_LENGTH = 60
_VALUES_LISTED = 12


@dataclass(frozen=True)
class SchemaLine:
    """A column with its type and rules. `depth` is 0 for those of the table, 1 for the fields of an object."""

    name: str
    depth: int
    type: str
    rules: str
    description: str
    distinct: int | None


def list_schema(event_type: EventType, distinct: Mapping[str, int]) -> list[SchemaLine]:
    """Return a line for each typed column, nested ones included. `distinct` are values in the samples, by column."""
    return [
        SchemaLine(
            path[-1],
            len(path) - 1,
            _type(column),
            "; ".join(_rules(column)),
            shown(column.description, _TEXT_LENGTH),
            distinct.get(path[0]) if len(path) == 1 else None,
        )
        for path, column in walk(event_type.stored)
    ]


def list_untyped(event_type: EventType) -> list[str]:
    """Return the properties of the schema that have no column."""
    columns = typed(event_type.columns)
    return [shown(each.field, _VALUE_LENGTH) for each in event_type.columns if each not in columns]


def _type(column: Column) -> str:
    if column.kind is Kind.DECIMAL:
        return f"decimal({column.digits[0]}, {column.digits[1]})"
    return f"{column.kind} of {_type(column.item)}" if column.item else str(column.kind)


def _rules(column: Column) -> Iterator[str]:
    rules = column.constraints
    if rules.required:
        yield "required"
    if rules.enum is not None:
        listed = ", ".join(shown(str(each), _VALUE_LENGTH) for each in rules.enum[:_VALUES_LISTED])
        yield f"one of {listed}" + (
            f" and {len(rules.enum) - _VALUES_LISTED} more" if rules.enum[_VALUES_LISTED:] else ""
        )
    if rules.minimum is not None:
        yield f"at least {rules.minimum:,}"
    if rules.maximum is not None:
        yield f"at most {rules.maximum:,}"
    if rules.pattern is not None:
        yield f"matches {shown(rules.pattern, _VALUE_LENGTH)}"

"""The columns of an event type → lines of the table of its schema."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from event_platform.events.catalog import EventType
from event_platform.events.columns import Column, Kind, typed, walk_all
from event_platform.events.wording import first_few
from event_platform.quality.text import shown, shown_in_line

_VALUE_LENGTH = 60


@dataclass(frozen=True)
class Limits:
    """How much of a schema is shown: values that a column may have, and characters of a description."""

    values: int = 12
    characters: int = 300


@dataclass(frozen=True)
class SchemaLine:
    """A column with its type and rules. `depth` is 0 for columns of the table, 1 for fields of an object.

    `field` is the name of the JSON property, if it differs.
    """

    name: str
    depth: int
    type: str
    rules: str
    description: str
    distinct: int | None
    field: str = ""
    is_personal: bool = False


def list_schema(
    event_type: EventType, distinct: Mapping[str, int] = {}, *, limits: Limits = Limits()
) -> list[SchemaLine]:
    """Return a line for each typed column, and for those within objects, arrays and maps.

    `distinct` are values in the samples, by column.
    """
    return [
        SchemaLine(
            path[-1],
            len(path) - 1,
            _type(column),
            "; ".join(_rules(column, limits.values)),
            shown_in_line(column.description, limits.characters),
            None if path[1:] else distinct.get(column.name),
            "" if column.field == column.name else shown(column.field, _VALUE_LENGTH),
            column.is_personal,
        )
        for path, column in walk_all(event_type.stored)
    ]


def list_untyped(event_type: EventType) -> list[str]:
    """Return the properties of the schema that have no column."""
    columns = typed(event_type.columns)
    return [shown(column.field, _VALUE_LENGTH) for column in event_type.columns if column not in columns]


def _type(column: Column) -> str:
    if column.kind is Kind.DECIMAL:
        return f"decimal({column.digits[0]}, {column.digits[1]})"
    return f"{column.kind} of {_type(column.item)}" if column.item else str(column.kind)


def _rules(column: Column, values_listed: int) -> Iterator[str]:
    rules = column.constraints
    if rules.required:
        yield "required"
    if rules.enum is not None:
        yield f"one of {first_few((shown(str(value), _VALUE_LENGTH) for value in rules.enum), values_listed)}"
    if rules.minimum is not None:
        yield f"at least {rules.minimum:,}"
    if rules.maximum is not None:
        yield f"at most {rules.maximum:,}"
    if rules.pattern is not None:
        yield f"matches {shown(rules.pattern, _VALUE_LENGTH)}"

"""A file of SQL that makes the tables of a lake readable in a warehouse. The same tables give the same bytes."""

from collections.abc import Iterator, Mapping, Sequence

from event_platform.events.errors import SettingError
from event_platform.exporting.dialect import one_line
from event_platform.exporting.relations import Relation
from event_platform.exporting.warehouses.base import Warehouse

_PLACEHOLDER = "<"


def require_readable(warehouse: Warehouse, lake: str) -> None:
    """Raise SettingError for a lake that the warehouse cannot read."""
    address = warehouse.values.get("lake", lake)
    scheme = address.partition("://")[0] if "://" in address else ""
    if scheme not in warehouse.schemes:
        expected = " or ".join(f"{each}://…" for each in warehouse.schemes)
        advice = "; give the address that it has there with --set lake=…" if "lake" in warehouse.values else ""
        raise SettingError(f"{address}: {warehouse.dialect.name} reads a lake at {expected}{advice}")


def refusals(warehouse: Warehouse, relations: Sequence[Relation]) -> dict[str, str]:
    """Return the tables for which the warehouse cannot have a view, with the reasons."""
    faults = ((relation.table, warehouse.refusal(relation)) for relation in relations)
    return {table: fault for table, fault in faults if fault}


def placeholders(warehouse: Warehouse) -> list[str]:
    """Return the variables of a warehouse that still have to be set."""
    return [name for name, value in warehouse.values.items() if value.startswith(_PLACEHOLDER)]


def views_sql(warehouse: Warehouse, relations: Sequence[Relation], omissions: Mapping[str, str]) -> str:
    """Return the statements for the views of the given relations. Call `refusals` before, and leave those out.

    The statements can be run again. `omissions` are the other tables and the reasons, for the head of the file.
    """
    parts = ["\n".join(_head(warehouse, omissions)), *map(_with_semicolon, warehouse.setup(relations))]
    for relation in relations:
        statements = "\n".join(map(_with_semicolon, warehouse.view(relation)))
        parts.append(f"-- {one_line(relation.table)}\n{statements}")
    return "\n\n".join(parts) + "\n"


def _head(warehouse: Warehouse, omissions: Mapping[str, str]) -> Iterator[str]:
    name = warehouse.dialect.name
    yield f"-- Views of the lake for {name}, written by `event-platform export views --for {name}`."
    yield "-- Do not edit: export again. The statements can be run again."
    yield "--"
    yield "-- Values. Change one with --set <name>=<value>; those in < > have to be set."
    for variable in warehouse.variables:
        value = one_line(warehouse.values[variable.name])
        yield f"--   {variable.name} = {value}".ljust(50) + f"  {variable.meaning}"
    if omissions:
        yield "--"
        yield "-- Tables without a view:"
        yield from (f"--   {one_line(table)}: {one_line(reason)}" for table, reason in omissions.items())


def _with_semicolon(statement: str) -> str:
    return f"{statement};"

"""`x-derive` of a schema → derived columns. Each may use columns of the event and derived columns before it."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from event_platform.events.column_definitions import parse_column
from event_platform.events.column_names import name_fault
from event_platform.events.columns import Column, Kind
from event_platform.events.derivation.column import DerivedColumn, Expression, Function, Lookup, Rule, digest_of
from event_platform.events.derivation.expression import ExpressionError, columns_used, evaluate, first_line
from event_platform.events.derivation.functions import defines
from event_platform.events.derivation.references import BesideSchemas, CatalogFileError, as_bytes, pairs_of
from event_platform.events.derivation.values import as_column_type, kind_of
from event_platform.events.errors import PanicError, raise_panics_as_errors

KEYWORD = "x-derive"

#: Keys of a rule and its options; the first key is required.
_RULES = {"sql": (), "function": ("columns",), "lookup": ("by", "key", "value")}
#: Keys of the column.
_OF_COLUMN = frozenset(
    ["additionalProperties", "description", "format", "items", "properties", "type", "x-decimal", "x-map", "x-personal"]
)
_NOT_DERIVED = "another name for it, or for the property with x-column"


class _FaultError(ValueError):
    """A definition cannot be used: the key in it, and why."""


@dataclass
class DeriveContext:
    """The columns known so far, with their types, and the files beside the schemas."""

    schema: dict[str, Any]
    taken: set[str]  # names that a derived column cannot have, case folded
    personal: set[str]
    files: BesideSchemas
    derived: dict[str, DerivedColumn] = field(default_factory=dict)


def parse_derived(definitions: Any, context: DeriveContext, faults: list[str]) -> tuple[DerivedColumn, ...]:
    """Parse `x-derive`. Faults are appended to `faults`, one line each."""
    if not isinstance(definitions, Mapping):
        faults.append(f"{KEYWORD}: expected columns with their expressions, such as {{total: price * quantity}}")
        return ()
    for name, definition in definitions.items():
        where = f"{KEYWORD}.{name}"
        if fault := name_fault(name, context.taken):
            faults.append(f"{where}: {fault}; give it {_NOT_DERIVED}")
            continue
        try:
            derived = _parse(name, {"sql": definition} if isinstance(definition, str) else definition, context)
        except _FaultError as fault_error:
            faults.append(f"{where}{fault_error}")
            continue
        context.taken.add(name.casefold())
        context.schema[name] = derived.column.dtype
        context.personal |= {name} if derived.column.is_personal else set()
        context.derived[name] = derived
    return tuple(context.derived.values())


def _parse(name: str, definition: Any, context: DeriveContext) -> DerivedColumn:
    kinds = [key for key in _RULES if isinstance(definition, Mapping) and key in definition]
    if len(kinds) != 1:
        raise _FaultError(f": expected an SQL expression, or one of {', '.join(_RULES)}; got {definition!r}")
    (kind,) = kinds
    expected = {kind, *_RULES[kind], *_OF_COLUMN}
    if unknown := sorted(set(definition) - expected):
        raise _FaultError(f".{unknown[0]}: not expected; expected are {', '.join(sorted(expected))}")
    if not isinstance(definition[kind], str) or not isinstance(definition.get("description", ""), str):
        raise _FaultError(f": expected texts for {kind} and description")
    declared = _declared(name, definition)
    build = {"sql": _expression, "function": _function, "lookup": _lookup}[kind]
    rule, uses, dtype = build(definition, declared, context)
    column = declared or _inferred(name, dtype, definition)
    uses_personal = not context.personal.isdisjoint(uses)
    comment = f"{definition.get('description', '').strip().rstrip('.')}. Derived: {rule.formula}".removeprefix(". ")
    column = replace(column, is_personal=definition.get("x-personal", uses_personal), description=comment)
    used = [context.derived[use] for use in uses if use in context.derived]
    return DerivedColumn(column, rule, uses, digest_of(column, rule, used), uses_personal)


def _declared(name: str, definition: Mapping[str, Any]) -> Column | None:
    """Return the column that a definition declares; None if it leaves the type to its rule."""
    faults: list[str] = []
    column = parse_column(name, {key: value for key, value in definition.items() if key in _OF_COLUMN}, "", faults)
    if faults:
        raise _FaultError(faults[0])
    if "type" not in definition:
        return None
    if column.kind is Kind.UNTYPED:
        raise _FaultError(f".type: expected a type that a column can have, got {definition['type']!r}")
    return column


def _inferred(name: str, dtype: Any, definition: Mapping[str, Any]) -> Column:
    kind = kind_of(dtype)
    if kind is None:
        raise _FaultError(f": no column has {dtype} by itself: cast it, or say the type, such as type: string")
    return Column(name, name, kind, definition.get("description", ""))


def _expression(
    definition: Mapping[str, Any], declared: Column | None, context: DeriveContext
) -> tuple[Rule, tuple[str, ...], Any]:
    text = definition["sql"]
    try:
        uses = columns_used(text)
        _require_known(".sql", uses, context)
        empty = pl.DataFrame(schema={name: context.schema[name] for name in uses})
        with raise_panics_as_errors():
            values = evaluate({"value": text}, empty)["value"]
            if declared is not None:
                as_column_type(values, declared.dtype)
    except pl.exceptions.StructFieldNotFoundError as error:
        raise _FaultError(f".sql: no field {first_line(error)!r} in the object") from error
    except (ExpressionError, TypeError, PanicError, pl.exceptions.PolarsError) as error:
        raise _FaultError(f".sql: {first_line(error)}") from error
    return Expression(text), uses, values.dtype


def _function(
    definition: Mapping[str, Any], declared: Column | None, context: DeriveContext
) -> tuple[Rule, tuple[str, ...], Any]:
    module, _, function = definition["function"].partition(":")
    columns = definition.get("columns", list(context.schema))
    if not (module.isidentifier() and function.isidentifier()):
        raise _FaultError(f".function: expected module:function, got {definition['function']!r}")
    if not isinstance(columns, list) or not columns:
        raise _FaultError(f".columns: expected a list of columns, got {columns!r}")
    _require_known(".columns", columns, context)
    try:
        source = context.files.source(module)
        if not defines(source, function):
            raise _FaultError(f".function: {module}.py does not define {function}")
    except (CatalogFileError, SyntaxError) as error:
        raise _FaultError(f".function: {' '.join(str(error).split())}") from error
    if declared is None:
        raise _FaultError(": say the type of the column, such as type: string")
    taken = tuple(columns) if "columns" in definition else None
    return Function(module, function, taken, source), tuple(columns), declared.dtype


def _lookup(
    definition: Mapping[str, Any], declared: Column | None, context: DeriveContext
) -> tuple[Rule, tuple[str, ...], Any]:
    file, by, value = definition["lookup"], definition.get("by"), definition.get("value")
    key = definition.get("key", by)
    if not all(isinstance(part, str) for part in (by, key, value)):
        raise _FaultError(": expected names of columns: by (of the event; key, if the table has another), and value")
    _require_known(".by", (str(by),), context)
    try:
        table = context.files.table(file)
        dtype = None if declared is None else declared.dtype
        pairs = pairs_of(table, file, str(key), str(value), context.schema[str(by)], dtype)
    except CatalogFileError as error:
        raise _FaultError(f".lookup: {error}") from error
    return Lookup(file, table.digest, str(by), str(key), str(value), as_bytes(pairs)), (str(by),), pairs.dtypes[1]


def _require_known(where: str, names: Sequence[Any], context: DeriveContext) -> None:
    for fault in _unknown(names, context):
        raise _FaultError(f"{where}: {fault}")


def _unknown(names: Sequence[Any], context: DeriveContext) -> Iterator[str]:
    for name in names:
        if name not in context.schema:
            near = difflib.get_close_matches(str(name), list(context.schema), n=1)
            more = f"; did you mean {near[0]}?" if near else "; derived columns that it uses come before it"
            yield f"no column {name!r}{more}"

"""Conflicts between the old and new columns of one table: types that are not wider, or names in another case."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import polars as pl
from polars._typing import PolarsDataType

from event_platform.events.evolution.widening import is_wider, kind_of


@dataclass(frozen=True)
class Clash:
    """A column that conflicts with a column of the table: another type, or a name that differs only in case."""

    column: tuple[str, ...]
    stored: str  # the name that the table has
    is_spelling: bool


def find_clashes(
    stored_schema: Mapping[str, PolarsDataType],
    new_schema: Mapping[str, PolarsDataType],
    variants: Collection[tuple[str, ...]],
    path: tuple[str, ...] = (),
) -> Iterator[Clash]:
    """Yield the columns of `new_schema` that a table with `stored_schema` cannot get, nested ones included.

    `variants` are the paths of variant columns in either.
    """
    stored_names = {name.lower(): name for name in stored_schema} | {name: name for name in stored_schema}
    for name, dtype in new_schema.items():
        stored_name = stored_names.get(name, stored_names.get(name.lower()))
        if stored_name == name:
            yield from _clashes_of_type(stored_schema[name], dtype, variants, (*path, name))
        elif stored_name is not None:
            yield Clash((*path, name), stored_name, is_spelling=True)


def _clashes_of_type(
    stored_type: PolarsDataType, new_type: PolarsDataType, variants: Collection[tuple[str, ...]], path: tuple[str, ...]
) -> Iterator[Clash]:
    if isinstance(stored_type, pl.Struct) and isinstance(new_type, pl.Struct):
        yield from find_clashes(stored_type.to_schema(), new_type.to_schema(), variants, path)
    elif isinstance(stored_type, pl.List) and isinstance(new_type, pl.List):
        yield from _clashes_of_type(stored_type.inner, new_type.inner, variants, path)
    elif isinstance(stored_type, pl.Map) and isinstance(new_type, pl.Map):
        yield from _clashes_of_type(stored_type.value, new_type.value, variants, path)
    elif stored_type != new_type and not is_wider(kind_of(new_type, is_variant=path in variants), kind_of(stored_type)):
        yield Clash(path, path[-1], is_spelling=False)

"""Conflicts between the old and new columns of one table: types that are not wider, or names in another case."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import polars as pl
from polars._typing import PolarsDataType

from event_platform.events.evolution.widening import is_wider, kind_of


@dataclass(frozen=True)
class Clash:
    """A column that conflicts with the table's own: another type, or a name that differs only in case."""

    column: tuple[str, ...]
    stored: str  # the name that the table has
    is_spelling: bool


def find_clashes(
    stored: Mapping[str, PolarsDataType],
    defined: Mapping[str, PolarsDataType],
    variants: Collection[tuple[str, ...]],
    path: tuple[str, ...] = (),
) -> Iterator[Clash]:
    """Yield the columns of `defined` that a table with the columns of `stored` cannot get, nested ones included.

    `variants` are the paths of variant columns in either.
    """
    spelled = {name.lower(): name for name in stored} | {name: name for name in stored}
    for name, dtype in defined.items():
        known = spelled.get(name, spelled.get(name.lower()))
        if known == name:
            yield from _clashes_of_type(stored[name], dtype, variants, (*path, name))
        elif known is not None:
            yield Clash((*path, name), known, is_spelling=True)


def _clashes_of_type(
    stored: PolarsDataType, defined: PolarsDataType, variants: Collection[tuple[str, ...]], path: tuple[str, ...]
) -> Iterator[Clash]:
    if isinstance(stored, pl.Struct) and isinstance(defined, pl.Struct):
        yield from find_clashes(stored.to_schema(), defined.to_schema(), variants, path)
    elif isinstance(stored, pl.List) and isinstance(defined, pl.List):
        yield from _clashes_of_type(stored.inner, defined.inner, variants, path)
    elif isinstance(stored, pl.Map) and isinstance(defined, pl.Map):
        yield from _clashes_of_type(stored.value, defined.value, variants, path)
    elif stored != defined and not is_wider(kind_of(defined, is_variant=path in variants), kind_of(stored)):
        yield Clash(path, path[-1], is_spelling=False)

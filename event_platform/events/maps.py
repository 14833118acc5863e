"""Maps in bodies → arrays of entries, which Arrow's parser reads: `{"a": 1}` → `[{"key": "a", "value": 1}]`.

Only bodies of event types that have a map are rewritten. Everything else in them stays as it was written.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import polars as pl

from event_platform.events.columns import Column, Kind, kinds_below
from event_platform.events.rescue import NOT_DECODED, has_key_twice
from event_platform.events.wire import KEY, VALUE

#: Returns a JSON value in which each map is an array of entries. Raises one of NOT_DECODED for one of another type.
_Rewrite = Callable[[msgspec.Raw | str], Any]

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw] | None)

#: How each key ends. It cannot be counted where there are blanks before the colon, or where either mark is an escape.
_KEY_END, _HIDES_A_KEY = '":', r'"[ \t\r\n]+:|\\u00(22|3[aA])'


class MapRewriter:
    """Rewrites the maps in bodies of one event type."""

    def __init__(self, columns: Sequence[Column]) -> None:
        """Find the columns that have maps."""
        self._entries = 0
        self._rewrite = self._fields_rewriter(columns)

    def rewrite(self, bodies: pl.Series) -> pl.Series | None:
        """Return the bodies with arrays of entries. None if one has a value of another type, or a key twice."""
        self._entries = 0
        try:
            texts = [msgspec.json.encode(self._rewrite(body)).decode() for body in bodies.to_list()]
            rewritten = pl.Series(texts, dtype=pl.String)
            return None if self._has_lost_a_key(bodies, rewritten) else rewritten
        except NOT_DECODED:
            return None

    def _has_lost_a_key(self, bodies: pl.Series, rewritten: pl.Series) -> bool:
        """Return whether a body has a key twice: the decoder keeps one of them."""
        if bodies.str.contains(_HIDES_A_KEY).any():
            return any(map(has_key_twice, bodies.to_list()))
        # An entry has two keys instead of one.
        return _count_keys(rewritten) != _count_keys(bodies) + self._entries

    def _rewriter(self, column: Column) -> _Rewrite:
        if column.item is None:
            return self._fields_rewriter(column.fields) if column.fields else _as_it_is
        item = self._rewriter(column.item)
        return self._entries_rewriter(item) if column.kind is Kind.MAP else _items_rewriter(item)

    def _fields_rewriter(self, columns: Sequence[Column]) -> _Rewrite:
        changed = [(each.field, self._rewriter(each)) for each in columns if Kind.MAP in kinds_below([each])]
        if not changed:
            return _as_it_is

        def rewrite(raw: msgspec.Raw | str) -> Any:
            fields = _FIELDS.decode(raw)
            return fields and fields | {field: change(fields[field]) for field, change in changed if field in fields}

        return rewrite

    def _entries_rewriter(self, value: _Rewrite) -> _Rewrite:
        def rewrite(raw: msgspec.Raw | str) -> Any:
            entries = _FIELDS.decode(raw)
            if entries is None:
                return None
            self._entries += len(entries)
            return [{KEY: key, VALUE: value(each)} for key, each in entries.items()]

        return rewrite


def _items_rewriter(item: _Rewrite) -> _Rewrite:
    def rewrite(raw: msgspec.Raw | str) -> Any:
        items = _ITEMS.decode(raw)
        return items and [item(each) for each in items]

    return rewrite


def _as_it_is(raw: msgspec.Raw | str) -> Any:
    return raw


def _count_keys(bodies: pl.Series) -> int:
    return int(bodies.str.count_matches(_KEY_END, literal=True).cast(pl.Int64).sum())

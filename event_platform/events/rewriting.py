"""Rewrites values in bodies that Arrow's parser does not read.

Maps become arrays of entries: `{"a": 1}` → `[{"key": "a", "value": 1}]`. Variants become texts, and so do values of
earlier types of a text property: `1.0` → `"1.0"`. Only bodies of event types with such columns are rewritten;
everything else in them stays verbatim.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import polars as pl

from event_platform.events.columns import Column, Kind, inner_columns
from event_platform.events.rescue import NOT_DECODED, has_key_twice, holds_as_text
from event_platform.events.surrogates import mask_half_surrogates
from event_platform.events.wire import KEY, VALUE

#: Returns a JSON value that the parser reads. Raises one of NOT_DECODED for a value that does not fit its column.
_Rewrite = Callable[[msgspec.Raw | str], Any]

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw] | None)

#: The end of each key. Keys cannot be counted if there are blanks before the colon, or if the quote or the colon is
#: escaped.
_KEY_END, _HIDES_A_KEY = '":', r'"[ \t\r\n]+:|\\u00(22|3[aA])'


class Rewriter:
    """Rewrites the values in bodies of one event type."""

    def __init__(self, columns: Sequence[Column]) -> None:
        """Find the columns that need rewriting."""
        self._entries = 0
        self._rewrite = self._fields_rewriter(columns)

    def rewrite(self, bodies: pl.Series) -> pl.Series | None:
        """Return the rewritten bodies; None if one has a value that does not fit its column, or a repeated key."""
        self._entries = 0
        try:
            texts = [msgspec.json.encode(self._rewrite(body)).decode() for body in bodies.to_list()]
            rewritten = pl.Series(texts, dtype=pl.String)
            return None if self._has_lost_a_key(bodies, rewritten) else rewritten
        except NOT_DECODED:
            return None

    def _has_lost_a_key(self, bodies: pl.Series, rewritten: pl.Series) -> bool:
        """Return whether a body has a repeated key, of which the decoder keeps one value."""
        if bodies.str.contains(_HIDES_A_KEY).any():
            return any(map(has_key_twice, bodies.to_list()))
        # An entry has two keys instead of one. Keys in the texts of variants are counted like others.
        return _count_keys(rewritten) != _count_keys(bodies) + self._entries

    def _rewriter(self, column: Column) -> _Rewrite:
        if column.kind is Kind.VARIANT:
            return _variant_text
        if column.has_json_texts:
            return lambda raw: _scalar_text(raw, column)
        if column.item is None:
            return self._fields_rewriter(column.fields) if column.fields else _unchanged
        item = self._rewriter(column.item)
        return self._entries_rewriter(item) if column.kind is Kind.MAP else _items_rewriter(item)

    def _fields_rewriter(self, columns: Sequence[Column]) -> _Rewrite:
        changed = [(key, self._rewriter(column)) for column in columns if is_rewritten([column]) for key in column.keys]
        if not changed:
            return _unchanged

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
            return [{KEY: key, VALUE: value(entry)} for key, entry in entries.items()]

        return rewrite


def is_rewritten(columns: Sequence[Column]) -> bool:
    """Return whether values of these columns, nested ones included, have to be rewritten."""
    return any(column.kind is Kind.MAP or column.has_json_texts for column in inner_columns(columns))


def _variant_text(raw: msgspec.Raw | str) -> Any:
    text = _text(raw)
    if text == "null":
        return None
    if mask_half_surrogates(text)[0] != text or (text.startswith(("{", "[")) and has_key_twice(text)):
        raise msgspec.ValidationError("a variant that the slow path has to look at")
    return text


def _scalar_text(raw: msgspec.Raw | str, column: Column) -> Any:
    text = _text(raw)
    if text == "null" or text.startswith('"'):
        return raw
    if not holds_as_text(text, column):
        raise msgspec.ValidationError("a value of a type that the property never had")
    return text


def _text(raw: msgspec.Raw | str) -> str:
    return raw if isinstance(raw, str) else bytes(raw).decode()


def _items_rewriter(item: _Rewrite) -> _Rewrite:
    def rewrite(raw: msgspec.Raw | str) -> Any:
        items = _ITEMS.decode(raw)
        return items and [item(element) for element in items]

    return rewrite


def _unchanged(raw: msgspec.Raw | str) -> Any:
    return raw


def _count_keys(bodies: pl.Series) -> int:
    return int(bodies.str.count_matches(_KEY_END, literal=True).cast(pl.Int64).sum())

"""The envelope's fields of decoded records → the id, name and time of each, as columns."""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
import polars as pl

from event_platform.events.envelope import NUMBER, FieldPath
from event_platform.events.envelope_fields import EnvelopeFields, Values, is_integer


class Fields(Protocol):
    """Extracts fields from records for a reader: see EnvelopeFields."""

    paths: tuple[FieldPath, ...]
    decoder: msgspec.json.Decoder[Any]

    def of_structs(self, structs: list[Any]) -> Values:
        """Return the values of decoded structs."""

    def of_record(self, fields: dict[str, msgspec.Raw], *, mended: bool = False) -> dict[FieldPath, Any]:
        """Return the values of one record."""

    def is_whole(self, values: Mapping[FieldPath, Any]) -> bool:
        """Return whether a record has all of its fields."""

    def columns(self, values: Values, bodies: pl.Series) -> dict[str, pl.Series]:
        """Return event_uuid, event_name and created_at of records."""


class EnvelopeColumns(EnvelopeFields):
    """Extracts the columns of an envelope from records."""

    def columns(self, values: Values, bodies: pl.Series) -> dict[str, pl.Series]:
        """Return event_uuid, event_name and created_at of records (all nullable).

        A value of a wrong type is WRONG_TYPE; in created_at it is NaN or, if times are texts, an empty text.
        """
        return {
            "event_uuid": pl.Series(self.uuids(values, bodies), dtype=pl.String),
            "event_name": pl.Series(self.names(values, len(bodies)), dtype=pl.String),
            "created_at": self._moments(values),
        }

    def _moments(self, values: Values) -> pl.Series:
        unit, moments = self.envelope.unit, self.times(values)
        if unit.per_second is not None:
            return to_floats(moments)
        texts = moments if unit.is_text else [_number_as_text(value) for value in moments]
        try:
            return pl.Series(texts, dtype=pl.String)
        except TypeError:
            return pl.Series([t if t is None or isinstance(t, str) else "" for t in texts], dtype=pl.String)


def to_floats(values: list[Any]) -> pl.Series:
    """Return numbers and numeric texts as Float64: infinity for too large integers, NaN for anything else."""
    try:
        return pl.Series(values, dtype=pl.Float64)
    except (TypeError, OverflowError):
        return pl.Series([_float(value) for value in values], dtype=pl.Float64)


def _float(value: Any) -> float | None:
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number and not (isinstance(value, str) and NUMBER.match(value)):
        return float("nan")
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _number_as_text(value: Any) -> Any:
    return repr(value) if type(value) is float or is_integer(value) else value

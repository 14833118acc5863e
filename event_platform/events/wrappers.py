"""Records wrapped by another system: the array of an export, the text of a message, a field of an error output.

A wrapper is read like a record, damage included. Its contents then become records of their own.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import polars as pl

from event_platform.events.corruption import KEPT_BYTES_OF_OVERSIZED_RECORD, MAX_RECORD_BYTES
from event_platform.events.envelope import Envelope, FieldPath, RecordsPath
from event_platform.events.envelope_fields import Values, compile_struct, raw_at, values_at
from event_platform.events.reader import EnvelopeReader
from event_platform.events.unwrapping import Unwrapper, WrappedRecord

#: Wrappers have no size limit here: the code that cuts objects into pieces limits them.
_MAX_WRAPPER_BYTES = (1 << 31) - 1


class WrappedReader:
    """Reads wrapped records. Holds compiled decoders: create it once, use it for many objects."""

    def __init__(self, envelope: Envelope, records: RecordsPath, *, keeps_bytes: bool = False) -> None:
        """Compile the paths of `envelope`. For `keeps_bytes` see `EnvelopeReader`."""
        self._records = EnvelopeReader(envelope, keeps_bytes=keeps_bytes)
        self._wrappers = EnvelopeReader(envelope, _WrapperFields(records), _MAX_WRAPPER_BYTES, keeps_bytes=keeps_bytes)
        self._keeps_bytes = keeps_bytes
        self._unwrapper = Unwrapper(records)

    def read(self, data: bytes) -> pl.DataFrame:
        """Return the records as `EnvelopeReader.read` does. A damaged wrapper is a record with its fault."""
        wrappers = self._wrappers.read(data)
        unwrapped: list[WrappedRecord] = []
        columns = ["body", "fault", *(["written"] if self._keeps_bytes else [])]
        for text, fault, *written in wrappers.select(columns).iter_rows():
            unwrapped.extend([WrappedRecord(text, fault, *written)] if fault else self._unwrapper.unwrap(text))
        sound = [number for number, record in enumerate(unwrapped) if record.fault is None]
        # Line ends in JSON are blanks; a record is a line.
        lines = "\n".join(unwrapped[number].text.replace("\n", " ") for number in sound)
        records = self._records.read(lines.encode("utf-8", "surrogateescape"))
        if records.height != len(sound):
            raise ValueError(f"{len(sound):,} records of wrappers were read as {records.height:,}")
        faulty = [(number, record) for number, record in enumerate(unwrapped) if record.fault is not None]
        if not faulty:
            return records
        rows = [{"body": _shortened(record.text), "fault": record.fault} for _, record in faulty]
        others = pl.DataFrame(rows, schema=records.schema)
        if self._keeps_bytes:
            written = [record.written or record.text.encode("utf-8", "surrogateescape") for _, record in faulty]
            others = others.with_columns(written=pl.Series(written, dtype=pl.Binary))
        place = pl.Series("place", [*sound, *(number for number, _ in faulty)])
        return pl.concat([records, others]).with_columns(place).sort("place").drop("place")


class _WrapperFields:
    """Distinguishes wrappers from damage, instead of the envelope's fields: by the first key of their path."""

    def __init__(self, records: RecordsPath) -> None:
        self.paths: tuple[FieldPath, ...] = ((records.steps[0][0],),)
        self.decoder = msgspec.json.Decoder(compile_struct({self.paths[0]: msgspec.Raw}))

    def of_structs(self, structs: list[Any]) -> Values:
        return {path: values_at(structs, path) for path in self.paths}

    def of_record(self, fields: dict[str, msgspec.Raw], *, mended: bool = False) -> dict[FieldPath, Any]:  # noqa: ARG002 - as EnvelopeFields has it
        return {path: raw_at(fields, path) for path in self.paths}

    def is_whole(self, values: Mapping[FieldPath, Any]) -> bool:
        return all(values[path] is not None for path in self.paths)

    def columns(self, values: Values, bodies: pl.Series) -> dict[str, pl.Series]:  # noqa: ARG002
        (column,) = values.values()
        there = pl.Series([None if value is None else "" for value in column], dtype=pl.String)
        return dict.fromkeys(("event_uuid", "event_name", "created_at"), there)


def open_reader(envelope: Envelope, *, keeps_bytes: bool = False) -> EnvelopeReader | WrappedReader:
    """Return the reader for records of a stream with this envelope. For `keeps_bytes` see `EnvelopeReader`."""
    if envelope.records:
        return WrappedReader(envelope, envelope.records, keeps_bytes=keeps_bytes)
    return EnvelopeReader(envelope, keeps_bytes=keeps_bytes)


def read_objects(data: bytes) -> list[str | None]:
    """Return the JSON objects in a landed object, wrapped or not, and None for each other record."""
    reader = EnvelopeReader(Envelope(), _WrapperFields(RecordsPath((("", False),))), _MAX_WRAPPER_BYTES)
    records = reader.read(data)
    return [body if fault is None else None for body, fault in records.select("body", "fault").iter_rows()]


def _shortened(text: str) -> str:
    """Return the text of a corrupt record; if it exceeds the size of a record, only its beginning."""
    return text if len(text) <= MAX_RECORD_BYTES else text[:KEPT_BYTES_OF_OVERSIZED_RECORD]

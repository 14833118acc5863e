"""Applies the catalog's functions to dead letters. Their results are read and classified like other records."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from event_platform.events.classification import classify
from event_platform.events.corruption import is_name
from event_platform.events.envelope import Envelope
from event_platform.events.event import EVENT_COLUMNS, MENDED_BY
from event_platform.events.mending.declared import DeadLetter
from event_platform.events.mending.files import MendFunction, Mending
from event_platform.events.mending.opening import open_function
from event_platform.events.mending.outcome import UNREGISTERED, MendedExample, MendOutcome
from event_platform.events.reader import EnvelopeReader

#: The number of a record in its object.
_OFFSET = "source_offset"

#: The columns of a mended record that replace those of the landed record.
_RECORD_COLUMNS = ["body", *EVENT_COLUMNS, "corruption_reason"]

#: Longer texts of errors are cut.
_MAX_ERROR_LENGTH = 300


@dataclass(frozen=True)
class _Assignment:
    """A dead letter, and the numbers of the functions that receive it."""

    letter: DeadLetter
    functions: tuple[int, ...]

    @property
    def reason(self) -> str:
        return self.letter.reason or UNREGISTERED


class Mender:
    """Mends records with one envelope. Holds compiled decoders: create it once, use it for many objects."""

    def __init__(self, mending: Mending, envelope: Envelope, first_date: date, outcome: MendOutcome) -> None:
        """Store the functions, and the outcome to add to. `first_date` is the first partition."""
        self._mending, self._envelope, self._first_date = mending, envelope, first_date
        self._reader = EnvelopeReader(envelope)
        self.outcome = outcome

    def mend(self, records: pl.DataFrame, landed_bytes: pl.Series) -> pl.DataFrame:
        """Take raw_events rows of one object; return them with mended records in place of the landed ones.

        `landed_bytes` of records whose text differs from them; null for all others.
        """
        unmended = assignments = self._assign(
            records.with_columns(landed_bytes.alias("written")).filter(self._mending.selection)
        )
        mended_rows: list[pl.DataFrame] = []
        for number, function in enumerate(self._mending.functions):
            letters = {offset: each for offset, each in unmended.items() if number in each.functions}
            results = self._call(function, letters)
            if results:
                mended_rows.append(self._classify(function, letters, results))
                offsets = {*mended_rows[-1][_OFFSET]}
                unmended = {offset: each for offset, each in unmended.items() if offset not in offsets}
        self.outcome.letter_counts.update(each.reason for each in assignments.values())
        self.outcome.unmended_counts.update(each.reason for each in unmended.values())
        return _replace(records, pl.concat(mended_rows)) if mended_rows else records

    def _assign(self, records: pl.DataFrame) -> dict[int, _Assignment]:
        """Return the dead letters by their offset in the object."""
        masks = records.select(each.selection.alias(str(number)) for number, each in enumerate(self._mending.functions))
        return {
            row[_OFFSET]: _Assignment(
                _letter(row), tuple(number for number, is_selected in enumerate(mask) if is_selected)
            )
            for row, mask in zip(records.iter_rows(named=True), masks.iter_rows(), strict=True)
        }

    def _call(self, function: MendFunction, letters: Mapping[int, _Assignment]) -> dict[int, bytes]:
        """Return the JSON objects that a function makes of dead letters, each on one line."""
        results: dict[int, bytes] = {}
        for offset, each in letters.items():
            key = each.reason, function.label
            try:
                record = _as_bytes(open_function(function)(each.letter))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - after any error, the record stays as it was
                self.outcome.error_counts[key] += 1
                self.outcome.first_errors.setdefault(function.label, _error_line(error, each.letter))
                continue
            if record is not None and self._reader.fault_of(record) is None:
                results[offset] = record.strip().replace(b"\n", b" ")  # line ends in JSON are blanks
            elif record is not None:
                self.outcome.failure_counts[key] += 1
        return results

    def _classify(
        self, function: MendFunction, letters: Mapping[int, _Assignment], results: dict[int, bytes]
    ) -> pl.DataFrame:
        """Return the rows of the sound results, and count all results."""
        records = self._reader.read(b"\n".join(results.values()))
        if records.height != len(results):
            raise ValueError(f"{len(results):,} mended records were read as {records.height:,}")
        arrival_date = next(iter(letters.values())).letter.arrival_date
        rows = classify(records, self._envelope, arrival_date, self._first_date)
        rows = rows.with_columns(pl.Series(_OFFSET, list(results), dtype=pl.Int64))
        rows = rows.with_columns(pl.lit(function.label).alias(MENDED_BY))
        outcome, sound = self.outcome, rows.filter(pl.col("corruption_reason").is_null())
        outcome.sound_counts.update((letters[offset].reason, function.label) for offset in sound[_OFFSET])
        failures = results.keys() - {*sound[_OFFSET]}
        outcome.failure_counts.update((letters[offset].reason, function.label) for offset in failures)
        for offset, body in sound.select(_OFFSET, "body").head(outcome.max_examples).iter_rows():
            each = letters[offset]
            if outcome.room((each.reason, function.label)) > 0:
                outcome.examples.append(MendedExample(each.reason, function.label, each.letter.body, body))
        return sound


def _replace(records: pl.DataFrame, mended: pl.DataFrame) -> pl.DataFrame:
    """Replace landed records by mended ones."""
    is_mended = pl.col(_OFFSET).is_in(mended[_OFFSET].implode())
    replacements = records.filter(is_mended).drop(*_RECORD_COLUMNS, MENDED_BY).join(mended, on=_OFFSET)
    return pl.concat([records.filter(~is_mended), replacements.select(records.columns)]).sort(_OFFSET)


def _letter(row: Mapping[str, Any]) -> DeadLetter:
    name = row["event_name"]
    return DeadLetter(
        body=row["written"] or row["body"].encode(),
        reason=row["corruption_reason"],
        event_name=name if name and is_name(name) else None,
        arrival_date=row["arrival_date"],
        source_object=row["source_object"],
        source_offset=row[_OFFSET],
    )


def _error_line(error: BaseException, letter: DeadLetter) -> str:
    """Return an error as a line that can be encoded: its text may have a lone surrogate."""
    text = f"{letter.source_object}, record {letter.source_offset}: {type(error).__name__}: {error}"
    return " ".join(text.split())[:_MAX_ERROR_LENGTH].encode("utf-8", "backslashreplace").decode()


def _as_bytes(record: Any) -> bytes | None:
    """Return the result of a function as bytes. Raises TypeError or ValueError if it cannot be a record."""
    if record is None or isinstance(record, bytes):
        return record
    if not isinstance(record, dict):
        raise TypeError(f"it returned {type(record).__name__}, expected bytes, dict or None")
    try:
        return _json(record, ensure_ascii=False)
    except UnicodeEncodeError:  # a lone surrogate, which JSON can escape
        return _json(record, ensure_ascii=True)


def _json(record: dict[str, Any], *, ensure_ascii: bool) -> bytes:
    return json.dumps(record, ensure_ascii=ensure_ascii, allow_nan=False, separators=(",", ":")).encode()

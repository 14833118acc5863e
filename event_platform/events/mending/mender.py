"""Applies the catalog's functions to dead letters; results are read and classified as any record."""

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
from event_platform.events.mending.outcome import UNREGISTERED, Mended, MendOutcome
from event_platform.events.reader import EnvelopeReader

#: The number of a record in its object.
_OFFSET = "source_offset"

#: The columns of a mended record that replace those of the landed record.
_OF_RECORD = ["body", *EVENT_COLUMNS, "corruption_reason"]

#: Characters of an error that are kept.
_ERROR_LENGTH = 300


@dataclass(frozen=True)
class _Given:
    """A dead letter, and the numbers of the functions that receive it."""

    letter: DeadLetter
    functions: tuple[int, ...]

    @property
    def reason(self) -> str:
        return self.letter.reason or UNREGISTERED


class Mender:
    """Mends records with one envelope. Holds compiled decoders: create it once, use it for many objects."""

    def __init__(self, mending: Mending, envelope: Envelope, first_date: date, outcome: MendOutcome) -> None:
        """Store the functions, and the outcome in which they are counted. `first_date` is the first partition."""
        self._mending, self._envelope, self._first_date = mending, envelope, first_date
        self._reader = EnvelopeReader(envelope)
        self.outcome = outcome

    def mend(self, records: pl.DataFrame, written: pl.Series) -> pl.DataFrame:
        """Take raw_events rows of one object; return them with mended records in place of the landed ones.

        `written` are the landed bytes of records whose text differs from them; null for all others.
        """
        left = given = self._given(records.with_columns(written.alias("written")).filter(self._mending.is_given))
        found: list[pl.DataFrame] = []
        for number, function in enumerate(self._mending.functions):
            letters = {offset: each for offset, each in left.items() if number in each.functions}
            results = self._call(function, letters)
            if results:
                found.append(self._sound(function, letters, results))
                mended = {*found[-1][_OFFSET]}
                left = {offset: each for offset, each in left.items() if offset not in mended}
        self.outcome.given.update(each.reason for each in given.values())
        self.outcome.left.update(each.reason for each in left.values())
        return _replaced(records, pl.concat(found)) if found else records

    def _given(self, chosen: pl.DataFrame) -> dict[int, _Given]:
        """Return the dead letters by their offset in the object."""
        masks = chosen.select(each.is_given.alias(str(number)) for number, each in enumerate(self._mending.functions))
        return {
            row[_OFFSET]: _Given(_letter(row), tuple(number for number, is_given in enumerate(mask) if is_given))
            for row, mask in zip(chosen.iter_rows(named=True), masks.iter_rows(), strict=True)
        }

    def _call(self, function: MendFunction, letters: Mapping[int, _Given]) -> dict[int, bytes]:
        """Return the JSON objects that a function makes of dead letters, each on one line."""
        results: dict[int, bytes] = {}
        for offset, each in letters.items():
            key = each.reason, function.label
            try:
                record = _as_bytes(open_function(function)(each.letter))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the record stays what it was
                self.outcome.errors[key] += 1
                self.outcome.first_errors.setdefault(function.label, _described(error, each.letter))
                continue
            if record is not None and self._reader.fault_of(record) is None:
                results[offset] = record.strip().replace(b"\n", b" ")  # line ends in JSON are blanks
            elif record is not None:
                self.outcome.failed[key] += 1
        return results

    def _sound(self, function: MendFunction, letters: Mapping[int, _Given], results: dict[int, bytes]) -> pl.DataFrame:
        """Return the rows of the sound results, and count all results."""
        records = self._reader.read(b"\n".join(results.values()))
        if records.height != len(results):
            raise ValueError(f"{len(results):,} mended records were read as {records.height:,}")
        arrival_date = next(iter(letters.values())).letter.arrival_date
        rows = classify(records, self._envelope, arrival_date, self._first_date)
        rows = rows.with_columns(pl.Series(_OFFSET, list(results), dtype=pl.Int64))
        rows = rows.with_columns(pl.lit(function.label).alias(MENDED_BY))
        outcome, sound = self.outcome, rows.filter(pl.col("corruption_reason").is_null())
        outcome.sound.update((letters[offset].reason, function.label) for offset in sound[_OFFSET])
        failed = results.keys() - {*sound[_OFFSET]}
        outcome.failed.update((letters[offset].reason, function.label) for offset in failed)
        for offset, body in sound.select(_OFFSET, "body").head(outcome.examples_wanted).iter_rows():
            each = letters[offset]
            if outcome.room((each.reason, function.label)) > 0:
                outcome.examples.append(Mended(each.reason, function.label, each.letter.body, body))
        return sound


def _replaced(records: pl.DataFrame, mended: pl.DataFrame) -> pl.DataFrame:
    """Replace landed records by mended ones."""
    is_mended = pl.col(_OFFSET).is_in(mended[_OFFSET].implode())
    there = records.filter(is_mended).drop(*_OF_RECORD, MENDED_BY).join(mended, on=_OFFSET)
    return pl.concat([records.filter(~is_mended), there.select(records.columns)]).sort(_OFFSET)


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


def _described(error: BaseException, letter: DeadLetter) -> str:
    """Return a line that can be written down: the text of an error may hold half of a surrogate pair."""
    text = f"{letter.source_object}, record {letter.source_offset}: {type(error).__name__}: {error}"
    return " ".join(text.split())[:_ERROR_LENGTH].encode("utf-8", "backslashreplace").decode()


def _as_bytes(record: Any) -> bytes | None:
    """Return the result of a function as bytes. Raises TypeError or ValueError if it cannot be a record."""
    if record is None or isinstance(record, bytes):
        return record
    if not isinstance(record, dict):
        raise TypeError(f"it returned {type(record).__name__}, expected bytes, dict or None")
    try:
        return _json(record, ensure_ascii=False)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can escape
        return _json(record, ensure_ascii=True)


def _json(record: dict[str, Any], *, ensure_ascii: bool) -> bytes:
    return json.dumps(record, ensure_ascii=ensure_ascii, allow_nan=False, separators=(",", ":")).encode()

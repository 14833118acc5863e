"""The check of how objects land: their paths, the age of the newest one, and what separates its records."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO

import msgspec

from event_platform.doctor.finding import Finding, bad, good, skipped
from event_platform.events.errors import StorageError
from event_platform.events.event import CorruptionReason
from event_platform.events.records import split_concatenated, without_lone_surrogates
from event_platform.landing.names import is_hidden
from event_platform.landing.objects import pieces
from event_platform.landing.pieces import DEFAULT_LIMITS, Piece
from event_platform.storage.store import Entry, Store

_LEVELS = [re.compile(digits) for digits in ("[0-9]{4}", "[0-9]{2}", "[0-9]{2}", "[0-9]{2}")]
_DAY, _HOUR = 3, 4

#: Bytes of the largest object that is read; of a larger one, only the path is checked.
_LARGEST = 8_000_000

_SET_PREFIX = (
    "have Firehose write to <prefix>/!{timestamp:yyyy/MM/dd/HH}/: without a date in its path, an object counts for the "
    "day on which it was last modified, and each tick lists all of landing"
)
_NO_OBJECT = "its first record is not a JSON object"


@dataclass(frozen=True)
class Inside:
    """The folders and objects directly below a folder, without hidden ones."""

    folders: list[str]
    objects: list[Entry]


def check_layout(store: Store) -> list[Finding]:
    """Check the newest objects of landing, found by the dates in the paths rather than by listing all."""
    name = "landing layout"
    try:
        path, depth, inside = _newest(store)
        if depth < _DAY:
            first = next(iter(inside.objects), None)
            if first is None and not inside.folders:
                return [skipped(name, "nothing has landed yet")]
            example = first.name if first else f"{path}{inside.folders[0]}/"
            return [bad(name, f"no date (yyyy/MM/dd) in the path of {example}", _SET_PREFIX)]
        if not inside.objects:
            return [good(name, f"yyyy/MM/dd/HH; the newest folder is {path}")]
        newest = max(inside.objects, key=lambda each: each.modified)
        hours = "yyyy/MM/dd/HH" if depth == _HOUR else "yyyy/MM/dd, without hours: gaps within a day are not detected"
        found = good(name, f"{hours}; the newest object landed {_age(newest.modified)} ago: {newest.name}")
        return [found, _records(newest, store)]
    except StorageError as error:
        return [skipped(name, f"landing cannot be read: {error}")]


def _newest(store: Store) -> tuple[str, int, Inside]:
    """Descend into the latest year, month, day and hour, as far as there are any."""
    path, depth, inside = "", 0, _inside(store, "")
    for level in _LEVELS:
        fitting = [folder for folder in inside.folders if level.fullmatch(folder)]
        if not fitting:
            break
        path, depth = f"{path}{max(fitting)}/", depth + 1
        inside = _inside(store, path)
    return path, depth, inside


def _records(landed: Entry, store: Store) -> Finding:
    """Report what separates the records of an object. They can be read in any case."""
    name = "records"
    if landed.size > _LARGEST:
        return skipped(name, f"{landed.name} is too large for this check ({landed.size / 1e6:.0f} MB)")
    # The first piece is enough, whatever the object decompresses to.
    first = next(pieces(landed.name, BytesIO(store.read(landed.name)), DEFAULT_LIMITS), Piece(b""))
    text = first.data.strip().decode("utf-8", "replace").removeprefix("\ufeff")
    records = list(split_concatenated(text.partition("\n")[0]))
    if not first.reason and records and not _is_object(records[0]) and _is_object(next(split_concatenated(text))):
        return good(name, "JSON objects, each over several lines")
    if first.reason or not records or not _is_object(records[0]):
        fault = _fault(first) if first.reason else _NO_OBJECT if records else "it is empty"
        remedy = "query corrupt_events, where its records go with the reason; see docs/runbook.md"
        return bad(name, f"{landed.name}: {fault}", remedy)
    if len(records) > 1:
        return good(
            name, "JSON objects without newlines, which can be read as well; AppendDelimiterToRecord adds newlines"
        )
    return good(name, "JSON objects, one per line")


def _fault(piece: Piece) -> str:
    return "its first record is too large" if piece.reason is CorruptionReason.RECORD_TOO_LARGE else piece.text


def _is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(without_lone_surrogates(text.encode())), dict)
    except (msgspec.MsgspecError, RecursionError):
        return False


def _age(modified: datetime) -> str:
    hours = (datetime.now(UTC) - modified).total_seconds() / 3600
    if hours < 1:
        return f"{hours * 60:.0f} minutes"
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"  # noqa: PLR2004 - two days


def _inside(store: Store, folder: str) -> Inside:
    objects, folders = store.list_folder(folder)
    names = [path[:-1].rpartition("/")[2] for path in folders]
    return Inside(
        sorted(name for name in names if not is_hidden(name)),
        [each for each in objects if each.size and not is_hidden(each.name)],
    )

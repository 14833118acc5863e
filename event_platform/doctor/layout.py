"""The check of how objects land: their paths, the age of the newest one, and the separator of its records."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from io import BytesIO

import msgspec

from event_platform.doctor.finding import Finding, bad, good, skipped
from event_platform.events.corruption import CorruptionReason
from event_platform.events.errors import StorageError
from event_platform.events.records import split_concatenated, without_lone_surrogates
from event_platform.landing.dates import FolderKind, date_in, folder_kind
from event_platform.landing.names import is_hidden
from event_platform.landing.objects import pieces
from event_platform.landing.pieces import DEFAULT_LIMITS, Piece
from event_platform.storage.store import Entry, Store

#: Folders that are listed at most to find a day.
_MOST_LISTED = 50

_NUMBER = re.compile("[0-9]+")

#: Maximum size of the object to read; of larger ones, only the path is checked.
_LARGEST = 8_000_000

_SET_PREFIX = (
    "have Firehose write to <prefix>/!{timestamp:yyyy/MM/dd/HH}/: without a date in its path, an object counts for the "
    "day on which it was last modified, and each tick lists all such objects"
)
_NO_OBJECT = "its first record is not a JSON object"


@dataclass(frozen=True)
class FolderContent:
    """The folders and objects directly below a folder, without hidden ones."""

    folders: list[str]
    objects: list[Entry]


def check_layout(store: Store) -> list[Finding]:
    """Check the newest objects of landing, found by the dates in the paths rather than by listing all."""
    name = "landing layout"
    try:
        path, inside = _newest(store)
        dated = date_in(path)
        if dated is None:
            first = next(iter(inside.objects), None)
            if first is None and not inside.folders:
                return [skipped(name, "nothing has landed yet")]
            example = first.name if first else f"{inside.folders[0]}/"
            return [bad(name, f"no date (yyyy/MM/dd) in the path of {example}", _SET_PREFIX)]
        hours = ", without hours: gaps within a day are not detected" if dated.hour is None else "/HH"
        layout = f"{dated.form}{hours}"
        if not inside.objects:
            return [good(name, f"{layout}; the newest folder is {path}")]
        newest = max(inside.objects, key=lambda entry: entry.modified)
        checked = good(name, f"{layout}; the newest object landed {_age(newest.modified)} ago: {newest.name}")
        return [checked, _records(newest, store)]
    except StorageError as error:
        return [skipped(name, f"landing cannot be read: {error}")]


def _newest(store: Store) -> tuple[str, FolderContent]:
    """Find the latest day folder, then descend into its latest hour. Returns the root if there is no day folder."""
    path = _latest_day(store, "", iter(range(_MOST_LISTED)))
    inside = _inside(store, path)
    hours = [folder for folder in inside.folders if path and _has_hour(f"{path}{folder}/")]
    if not hours:
        return path, inside
    path = f"{path}{max(hours, key=partial(_order, path))}/"
    return path, _inside(store, path)


def _latest_day(store: Store, path: str, listings: Iterator[int]) -> str:
    """Return the latest day folder below a path; empty if the remaining listings do not find one."""
    if next(listings, None) is None:
        return ""
    for folder in sorted(_inside(store, path).folders, key=partial(_order, path), reverse=True):
        below = f"{path}{folder}/"
        latest = below if folder_kind(below[:-1]) is FolderKind.DAY else _latest_day(store, below, listings)
        if latest:
            return latest
    return ""


def _has_hour(path: str) -> bool:
    dated = date_in(path)
    return dated is not None and dated.hour is not None


def _order(path: str, folder: str) -> tuple[bool, bool, list[int], str]:
    """Return the sort key of folders: days come last, before them years and months, each by their numbers."""
    kind = folder_kind(f"{path}{folder}")
    return kind is FolderKind.DAY, kind is FolderKind.YEAR_OR_MONTH, [*map(int, _NUMBER.findall(folder))], folder


def _records(landed: Entry, store: Store) -> Finding:
    """Report the separator of an object's records. They can be read in any case."""
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


def _inside(store: Store, folder: str) -> FolderContent:
    objects, folders = store.list_folder(folder)
    names = [path[:-1].rpartition("/")[2] for path in folders]
    return FolderContent(
        sorted(name for name in names if not is_hidden(name)),
        [entry for entry in objects if entry.size and not is_hidden(entry.name)],
    )

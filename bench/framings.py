"""The events of a landing zone in other framings: arrays, and wrappers of a hundred. What is no JSON is left out."""

import shutil
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import msgspec
from isal import igzip

from event_platform.landing.objects import pieces
from event_platform.landing.pieces import DEFAULT_LIMITS

_IN_A_WRAPPER = 100


def _as_array(records: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(records) + b"]"


def _as_wrappers(records: Sequence[bytes]) -> bytes:
    starts = range(0, len(records), _IN_A_WRAPPER)
    return b"\n".join(b'{"Records":%b}' % _as_array(records[start : start + _IN_A_WRAPPER]) for start in starts)


#: How each framing writes the records of an object, and what the envelope says of it.
FRAMINGS: dict[str, tuple[Callable[[Sequence[bytes]], bytes], str]] = {
    "array": (_as_array, ""),
    "wrapper": (_as_wrappers, "records: Records[]\n"),
}


def write_framed(framing: str, landing: Path, catalog: Path, folder: Path) -> tuple[Path, Path]:
    """Write landing and catalog for a framing below a folder; return both."""
    write, envelope = FRAMINGS[framing]
    for path in sorted(each for each in landing.rglob("*") if each.is_file()):
        target = folder / "landing" / path.relative_to(landing)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(igzip.compress(write(_records(path))))
    shutil.copytree(catalog, folder / "catalog")
    (folder / "catalog" / "envelope.yaml").write_text(envelope or "{}\n", encoding="utf-8")
    return folder / "landing", folder / "catalog"


def _records(path: Path) -> list[bytes]:
    pieces_read = pieces(path.name, BytesIO(path.read_bytes()), DEFAULT_LIMITS)
    return [line for piece in pieces_read for line in piece.data.split(b"\n") if _is_object(line)]


def _is_object(line: bytes) -> bool:
    try:
        line.decode()
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False

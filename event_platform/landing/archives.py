"""A zip archive → the records of its members, one after the other."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from io import BytesIO

from event_platform.events.corruption import CorruptionReason
from event_platform.landing.names import is_hidden
from event_platform.landing.pieces import BrokenError, Limits, Piece, UnsupportedError, unreadable, unsupported
from event_platform.landing.streams import Source

#: First bytes of an archive: a member, or the directory of an empty archive.
MAGIC = (b"PK\x03\x04", b"PK\x05\x06")

#: First bytes of a directory entry, and the maximum number of entries: each takes a kilobyte.
_ENTRY, _MOST_ENTRIES = b"PK\x01\x02", 100_000

#: A member of every file of Microsoft Office.
_OFFICE = "[Content_Types].xml"

#: Bytes that are read at a time.
_BITE = 1 << 18

_ENCRYPTED = 1  # a flag of a member

#: Errors of the library for a damaged archive.
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError, RuntimeError)

#: Yields the records of a member.
ReadMember = Callable[[str, Source, Limits], Iterator[Piece]]


def zip_pieces(data: bytes, limits: Limits, read_member: ReadMember) -> Iterator[Piece]:
    """Yield the records of all members except hidden ones. An unreadable member becomes a piece with the reason.

    Their total size is limited like that of an object. Raises BrokenError and UnsupportedError before the first piece.
    """
    archive = _open_archive(data)
    remaining_bytes = limits.object_bytes
    for member in archive.infolist():
        if is_hidden(member.filename) or not member.file_size:
            continue
        for piece in _member_pieces(archive, member, Limits(remaining_bytes, limits.task_bytes // 2), read_member):
            remaining_bytes = max(1, remaining_bytes - len(piece.data))
            yield piece


def _open_archive(data: bytes) -> zipfile.ZipFile:
    if data.count(_ENTRY) > _MOST_ENTRIES:
        raise BrokenError(f"zip: it has more than {_MOST_ENTRIES:,} members, the most that are read")
    try:
        archive = zipfile.ZipFile(BytesIO(data))
    except _DAMAGE as error:
        raise BrokenError(f"zip: {error}") from error
    if _OFFICE in archive.namelist():
        raise UnsupportedError("Excel, Word or PowerPoint: export it as JSON")
    return archive


def _member_pieces(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, limits: Limits, read_member: ReadMember
) -> Iterator[Piece]:
    about = f"zip: its member {member.filename!r}"
    if member.flag_bits & _ENCRYPTED:
        yield unsupported(f"{about} is encrypted: land it unencrypted")
        return
    try:
        for piece in read_member(member.filename, partial(_bites, archive, member), limits):
            is_end = piece.reason is CorruptionReason.UNREADABLE_OBJECT
            yield replace(piece, text=f"{about}: {piece.text}") if is_end else piece
    except UnsupportedError as error:
        yield unsupported(f"{about}: {error}")
    except BrokenError as error:
        yield unreadable(b"", f"{about}: {error}")


def _bites(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(member) as file:
            while bite := file.read(_BITE):
                yield bite
    except NotImplementedError as error:  # a method of compression
        raise UnsupportedError(f"{error}: write it with deflate") from error
    except _DAMAGE as error:
        raise BrokenError(f"{type(error).__name__}: {error}") from error

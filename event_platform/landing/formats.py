"""The formats of landed objects: how the first bytes identify each, which part is read, and how.

`FORMATS` is the only list of them, for reading, sizing and documentation.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from event_platform.landing import archives, snappy
from event_platform.landing.decompression import gunzip, unbzip2, unzstd
from event_platform.landing.parquet import parquet_pieces
from event_platform.landing.pieces import BrokenError, Limits, Piece
from event_platform.landing.streams import Source, read_all

#: Bytes by which the format is recognized.
HEAD = 512

#: The longest UTF-8 character in bytes. It may be cut at the end of the head.
_CHARACTER = 4

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

#: Position of a tar's signature.
_TAR = slice(257, 262)


@dataclass(frozen=True)
class Format:
    """A storage format: its description for the documentation, and its reader. Not supported without a reader."""

    name: str
    signature: str
    is_like: Callable[[bytes], bool]  # whether an object with these first bytes has this format
    reads: str = ""  # which part is read
    damage_result: str = ""  # the result for a damaged object
    suffixes: tuple[str, ...] = ()
    unpack: Callable[[Source], Iterator[bytes]] | None = None  # yields the content, whose format is detected again
    rows: Callable[[Iterable[bytes], Limits], Iterator[Piece]] | None = None
    remedy: str = "compress with GZIP, and land it again"  # for an unsupported format


def format_of(head: bytes) -> Format:
    """Return the format of an object by its first bytes, ignoring its name."""
    return next(candidate for candidate in FORMATS if candidate.is_like(head))


def is_text(head: bytes) -> bool:
    """Return whether bytes begin like JSON, or are UTF-8 without control characters."""
    content = head.removeprefix(_BYTE_ORDER_MARK).lstrip()
    if not content or content.startswith((b"{", b"[")):
        return True
    text = head.decode("utf-8", "surrogateescape")
    # The last character may be cut, which leaves surrogates.
    text = text[: HEAD - _CHARACTER] if len(head) == HEAD else text
    return all(character.isprintable() or character.isspace() for character in text)


def has_json_lines(parts: Iterable[bytes], most: int) -> bool:
    """Return whether the second line of an object is a JSON object, within twice `most` bytes of the first two."""
    begin = b""
    with suppress(BrokenError):
        for part in parts:
            begin += part
            if begin.count(b"\n") > 1 or len(begin) > 2 * most:
                break
    line = begin.split(b"\n")[1:2]
    try:
        return bool(line) and isinstance(msgspec.json.decode(line[0]), dict)
    except (msgspec.MsgspecError, RecursionError):
        return False


def is_packed(name: str) -> bool:
    """Return whether an object is compressed, judging by its name: reading it yields more bytes than its size."""
    return any(name.endswith(candidate.suffixes) for candidate in FORMATS)


def _begins_with(*beginnings: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(beginnings)


def _parquet_rows(parts: Iterable[bytes], limits: Limits) -> Iterator[Piece]:
    return parquet_pieces(read_all(parts, limits.task_bytes, "parquet"), limits)


def _avro_rows(parts: Iterable[bytes], limits: Limits) -> Iterator[Piece]:
    from event_platform.landing.avro import avro_pieces  # noqa: PLC0415 - fastavro takes long, and few objects need it

    return avro_pieces(parts, limits)


def _is_utf_16(head: bytes) -> bool:
    """Return whether text is UTF-16: by its mark, or because JSON begins with two characters of ASCII (RFC 4627)."""
    zeros = [not byte for byte in head[:4]]
    return head.startswith((b"\xff\xfe", b"\xfe\xff")) or zeros in ([False, True] * 2, [True, False] * 2)


def _is_utf_32(head: bytes) -> bool:
    zeros = [not byte for byte in head[:4]]
    return head.startswith(b"\xff\xfe\0\0") or zeros in ([False, True, True, True], [True, True, True, False])


#: The first starts a frame. The others start skippable frames, which some tools write first.
_ZSTD = (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + number]) + b"\x2a\x4d\x18" for number in range(16)))

#: A block, or the end of a stream without one.
_BZIP2 = tuple(b"BZh%d" % level + block for level in range(1, 10) for block in (b"1AY&SY", b"\x17rE8P\x90"))

_RECORDS_BEFORE = "The records before the damage"

ZIP = Format(
    "zip",
    "`PK\\x03\\x04`",
    _begins_with(*archives.MAGIC),
    "The members one after the other, each of any format but zip. Hidden ones are left out; one that is encrypted is "
    "an `unsupported_format`.",
    "The members that are whole",
    (".zip",),
)

#: Text comes last, because it matches any bytes.
TEXT = Format(
    "plain",
    "No other format",
    lambda _: True,
    "JSON: records that follow one another with a newline, a comma, a semicolon, RFC 7464's separator or nothing "
    "between them; a record may span lines. CRLF and a byte order mark are accepted.",
    "The records before and after the damage; each damaged part is a corrupt record",
)

#: In the order of detection.
FORMATS = (
    Format(
        "gzip",
        "`\\x1f\\x8b`",
        _begins_with(b"\x1f\x8b"),
        "Several members, with zeros or line ends behind them: Firehose's delimiter, where producers gzip each record.",
        _RECORDS_BEFORE,
        (".gz",),
        gunzip,
    ),
    Format(
        "zstd", "`\\x28\\xb5\\x2f\\xfd`", _begins_with(*_ZSTD), "Several frames.", _RECORDS_BEFORE, (".zst",), unzstd
    ),
    Format("bzip2", "`BZh`", _begins_with(*_BZIP2), "Several streams.", _RECORDS_BEFORE, (".bz2",), unbzip2),
    Format(
        "Snappy, framed",
        "`\\xff\\x06\\x00\\x00sNaPpY`",
        _begins_with(snappy.FRAMED),
        "The framing format, which Firehose calls Snappy.",
        _RECORDS_BEFORE,
        (".sz", ".snappy"),
        snappy.unpack_framed,
    ),
    Format(
        "Snappy, Hadoop",
        "Lengths that fit each other",
        snappy.is_hadoop,
        "Blocks of Hadoop, Spark and Firehose's Hadoop-Compatible Snappy, up to 64 MiB each.",
        f"{_RECORDS_BEFORE}. There are no checksums: changed values are not noticed",
        (".snappy",),
        snappy.unpack_hadoop,
    ),
    ZIP,
    Format(
        "parquet",
        "`PAR1`",
        _begins_with(b"PAR1"),
        "A row is a record; nested columns are JSON objects and arrays.",
        "No record where its directory, at its end, is damaged; else the row groups before the damage",
        (".parquet",),
        rows=_parquet_rows,
    ),
    Format(
        "avro",
        "`Obj\\x01`",
        _begins_with(b"Obj\x01"),
        "Container files, packed with deflate, Snappy, zstandard, bzip2 or xz. A row is a record; bytes are base64, "
        "timestamps ISO 8601 in UTC, decimals texts.",
        "The rows before the damage",
        (".avro",),
        rows=_avro_rows,
    ),
    Format("encrypted parquet", "`PARE`", _begins_with(b"PARE"), remedy="its footer is encrypted: land it unencrypted"),
    Format("ORC", "`ORC`", _begins_with(b"ORC"), remedy="let Firehose convert to Parquet instead"),
    Format("tar", "`ustar` at byte 257", lambda head: head[_TAR] == b"ustar", remedy="land its members one by one"),
    Format("UTF-32", "Its byte order mark, or zeros", _is_utf_32, remedy="write it as UTF-8"),
    Format("UTF-16", "Its byte order mark, or zeros", _is_utf_16, remedy="write it as UTF-8"),
    Format("xz", "`\\xfd7zXZ\\x00`", _begins_with(b"\xfd7zXZ\0")),
    Format("7z", "`7z\\xbc\\xaf\\x27\\x1c`", _begins_with(b"7z\xbc\xaf\x27\x1c")),
    Format("LZ4", "`\\x04\\x22\\x4d\\x18`", _begins_with(b"\x04\x22\x4d\x18", b"\x02\x21\x4c\x18")),
    Format("LZO", "`\\x89LZO\\x00`", _begins_with(b"\x89LZO\0")),
    Format("Snappy, of snappy-java", "`\\x82SNAPPY\\x00`", _begins_with(b"\x82SNAPPY\0")),
    Format("RAR", "`Rar!\\x1a\\x07`", _begins_with(b"Rar!\x1a\x07")),
    Format("Hadoop SequenceFile", "`SEQ\\x06`", _begins_with(b"SEQ\x06"), remedy="write text or Parquet"),
    Format("Arrow", "`ARROW1`", _begins_with(b"ARROW1\0\0"), remedy="write Parquet"),
    Format(
        "Excel", "`\\xd0\\xcf\\x11\\xe0`", _begins_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), remedy="export it as JSON"
    ),
    TEXT,
)

"""The content of a landed object → the bytes of its records, whatever its format; and what is wrong where it breaks.

A format that the name states is taken at its word (`.gz`, `.zst`, `.parquet`); without one the first bytes decide.
"""

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl
import zstandard
from isal import igzip, isal_zlib
from polars._typing import PolarsDataType

from event_platform.events.records import split_concatenated

_BITE = 1 << 16  # bytes


@dataclass(frozen=True)
class Content:
    """The records of an object as NDJSON, and the fault that ended the reading early, if one did."""

    data: bytes
    fault: str | None = None


def decode(name: str, raw: bytes) -> Content:
    """Return the records in `raw`; those before a break are kept."""
    if name.endswith(".gz") or (not name.endswith((".zst", ".parquet")) and raw.startswith(b"\x1f\x8b")):
        return _gunzip(raw)
    if name.endswith(".zst") or raw.startswith(b"\x28\xb5\x2f\xfd"):
        return _unzstd(raw)
    if name.endswith(".parquet") or raw.startswith(b"PAR1"):
        return _from_parquet(raw)
    return Content(raw)


def _gunzip(raw: bytes) -> Content:
    try:
        return Content(igzip.decompress(raw))
    except (OSError, EOFError, isal_zlib.error):  # type: ignore[misc] # its stub calls the class an instance
        return _until_break(raw, "gzip", lambda: zlib.decompressobj(wbits=31))


def _unzstd(raw: bytes) -> Content:
    return _until_break(raw, "zstd", lambda: zstandard.ZstdDecompressor().decompressobj())


def _until_break(raw: bytes, form: str, open_member: Callable[[], Any]) -> Content:
    """Unpack member after member, in small bites, and keep what comes before a break."""
    pieces: list[bytes] = []
    member, position, fault = open_member(), 0, None
    try:
        while position < len(raw):
            if member.eof:
                member = open_member()
            bite = raw[position : position + _BITE]
            pieces.append(member.decompress(bite))
            position += len(bite) - len(member.unused_data)
        if not member.eof:
            fault = f"{form}: the object ends in the middle of its data"
    except (zlib.error, zstandard.ZstdError) as error:
        fault = f"{form}: {error}"
    data = b"".join(pieces)
    return Content(data if fault is None else _whole_records(data), fault)


def _whole_records(data: bytes) -> bytes:
    """Drop what the break has left of a record: it is part of what is lost."""
    start = data.rfind(b"\n") + 1
    records = list(split_concatenated(data[start:].decode("utf-8", "surrogateescape")))
    while records and not _is_json(records[-1]):
        records.pop()
    return data[:start] + "\n".join(records).encode("utf-8", "surrogateescape")


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text.encode("utf-8", "surrogateescape"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _from_parquet(raw: bytes) -> Content:
    try:
        frame = pl.read_parquet(io.BytesIO(raw))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        return Content(b"", f"parquet: {' '.join(str(error).split())[:200]}")
    columns = [_for_json(pl.col(name), dtype) for name, dtype in frame.schema.items()]
    rows = (
        frame.select(pl.struct(columns).struct.json_encode()).to_series() if columns else pl.Series([], dtype=pl.String)
    )
    return Content("\n".join(rows.to_list()).encode())


def _for_json(values: pl.Expr, dtype: PolarsDataType) -> pl.Expr:
    """Give what JSON lacks its usual form, however deep it is: bytes base64, timestamps without a zone UTC."""
    if dtype == pl.Binary:
        return values.bin.encode("base64")
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
        return values.dt.replace_time_zone("UTC")
    if isinstance(dtype, pl.List):
        return values.list.eval(_for_json(pl.element(), dtype.inner))
    if isinstance(dtype, pl.Array):
        return _for_json(values.arr.to_list(), pl.List(dtype.inner))
    if isinstance(dtype, pl.Struct) and dtype.fields:
        return values.struct.with_fields([_for_json(pl.field(field.name), field.dtype) for field in dtype.fields])
    return values

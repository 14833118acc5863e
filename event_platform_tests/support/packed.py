"""Bytes in the formats that systems write, by the libraries that write them."""

import io
import zipfile
from collections.abc import Mapping

from cramjam import snappy

#: Bytes in a block of Hadoop's, and in a chunk of such a block; Hadoop has 256 KiB for both.
_BLOCK, _CHUNK = 1_000, 300


def framed_snappy(data: bytes) -> bytes:
    """Return Snappy in its framing format, as Firehose writes it."""
    return bytes(snappy.compress(data))


def hadoop_snappy(data: bytes, block: int = _BLOCK, chunk: int = _CHUNK) -> bytes:
    """Return Snappy as Hadoop's BlockCompressorStream frames it; no library of Python does."""
    packed = b""
    for start in range(0, len(data), block):
        part = data[start : start + block]
        packed += len(part).to_bytes(4, "big")
        for begin in range(0, len(part), chunk):
            raw = bytes(snappy.compress_raw(part[begin : begin + chunk]))
            packed += len(raw).to_bytes(4, "big") + raw
    return packed


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive; a name that ends with a slash is a folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()

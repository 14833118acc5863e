"""What rows depend on beside the records that they are made of, as a number to leave in the log."""

import json
import zlib
from functools import cache
from importlib.metadata import version
from typing import Any


def build_fingerprint(*rules: Any) -> int:
    """Return a number that stands for this release and for the rules that rows are built with (JSON values).

    A partition is appended to only where its fingerprint is the same: else it would hold rows of two kinds.
    """
    return zlib.crc32(json.dumps([release(), *rules]).encode())


@cache
def release() -> str:
    """Return the version of this package."""
    return version("event-platform")

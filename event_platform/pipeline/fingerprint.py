"""Build fingerprints: a number in the log for everything that rows depend on besides their records."""

import json
import zlib
from functools import cache
from importlib.metadata import version
from typing import Any


def build_fingerprint(*rules: Any) -> int:
    """Return a fingerprint of this release and of the rules that rows are built with (JSON values).

    A partition is appended to only where its fingerprint is the same: else it would hold rows of two kinds.
    """
    return zlib.crc32(json.dumps([release(), *rules]).encode())


@cache
def release() -> str:
    """Return the version of this package."""
    return version("event-platform")

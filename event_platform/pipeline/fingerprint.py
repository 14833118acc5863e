"""Build fingerprints: a number in the log for everything that rows depend on besides their records."""

import json
import zlib
from functools import cache
from importlib.metadata import version
from typing import Any


def build_fingerprint(*rules: Any) -> int:
    """Return a fingerprint of this release and of the rules (JSON values) of a build.

    A partition is appended to only if its fingerprint is the same; otherwise it would mix rows of two kinds.
    """
    return fingerprint_of(rules_text(*rules))


def rules_text(*rules: Any, built_by: str | None = None) -> str:
    """Return the text of a fingerprint: a release (by default this one) and rules, as a JSON array."""
    return json.dumps([built_by or release(), *rules])


def fingerprint_of(text: str) -> int:
    """Return the fingerprint of a `rules_text`."""
    return zlib.crc32(text.encode())


@cache
def release() -> str:
    """Return the version of this package."""
    return version("event-platform")

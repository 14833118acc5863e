"""What rows depend on beside the records that they are made of, as a number to leave in the log."""

import json
import zlib
from functools import cache
from importlib.metadata import version
from typing import Any


def rules_number(*made_with: Any) -> int:
    """Return a number that stands for this release and what else JSON can say of the rules that rows are made with.

    A partition that only lacks what came since is added to, unless its number is another one: it would hold rows of
    two kinds.
    """
    return zlib.crc32(json.dumps([release(), *made_with]).encode())


@cache
def release() -> str:
    """Return the version of this package."""
    return version("event-platform")

r"""Halves of surrogate pairs in JSON texts (`"caf\ud83d"`): JSON can write them, and no text can hold them.

JavaScript makes them of an emoji that it cuts. Decoders refuse the whole record, so they are covered while it is read.
"""

import re
from collections.abc import Callable

#: An escape: a whole pair, half of one (the group), or another.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_MAY_BE_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def covered(text: str) -> tuple[str, str]:
    r"""Return a JSON text with a cover for the `\` of each half, and the cover; that is empty where there is none."""
    if not _MAY_BE_HALF.search(text):
        return text, ""
    cover = "half-"
    while cover in text:
        cover += "-"
    return _ESCAPE.sub(_covering(cover), text), cover


def uncovered(text: str, cover: str) -> str:
    """Return a JSON text as it was before it was covered."""
    return text.replace(cover, "\\") if cover else text


def _covering(cover: str) -> Callable[[re.Match[str]], str]:
    return lambda escape: f"{cover}{escape[1]}" if escape[1] else escape[0]

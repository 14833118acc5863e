r"""Half surrogate pairs in JSON (`"caf\ud83d"`): valid escapes that no Unicode text can represent.

JavaScript writes them when it cuts an emoji in half. Decoders reject the whole record, so the escapes are masked during
decoding.
"""

import re
from collections.abc import Callable

#: An escape sequence: a whole pair, half a pair (the group), or any other.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_MAY_BE_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def mask_half_surrogates(text: str) -> tuple[str, str]:
    r"""Replace the `\` of each half by a mask. Return the text, and the mask (empty without halves)."""
    if not _MAY_BE_HALF.search(text):
        return text, ""
    mask = "half-"
    while mask in text:
        mask += "-"
    return _ESCAPE.sub(_mask_half(mask), text), mask


def unmask(text: str, mask: str) -> str:
    """Undo `mask_half_surrogates`."""
    return text.replace(mask, "\\") if mask else text


def _mask_half(mask: str) -> Callable[[re.Match[str]], str]:
    return lambda escape: f"{mask}{escape[1]}" if escape[1] else escape[0]

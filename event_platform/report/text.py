"""Text that somebody else wrote, made fit to be shown."""

import unicodedata

#: Controls, formats (those that turn the direction of writing among them), surrogates, private use, line separators.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def shown(text: str, length: int) -> str:
    r"""Return the first characters of a text, with those that cannot be seen written as `\u{202e}`.

    What is left can neither hide nor rearrange the text around it. It is no markup yet: escape it where it is put.
    """
    cut = "".join(_visible(character) for character in text[:length])
    return f"{cut}…" if len(text) > length else cut


def _visible(character: str) -> str:
    return f"\\u{{{ord(character):x}}}" if unicodedata.category(character) in _INVISIBLE else character

"""Text that somebody else wrote, made fit to be shown."""

import re
import unicodedata

#: Controls, formats (those that turn the direction of writing among them), surrogates, private use, line separators.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}

#: What Markdown takes for more than text: anywhere, and at the beginning of a paragraph.
_MARKUP = re.compile(r"[\\`*\[\]<~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|^[-+#>]")
_NUMBERED = re.compile(r"^(\d+)([.)])")

#: Where addresses become links by themselves, which no backslash prevents; an invisible joint does.
_LINKS = re.compile(r"(?<=:)(?<!s3:)(?=//)|(?<=www)(?=\.)|(?<=@)", re.IGNORECASE)
_JOINT = "\u2060"

#: What chats take for a host without a scheme, such as evil.example; not a part of a path.
_HOSTS = re.compile(r"(?<![\w.-])(?<![^/]/)(?<!s3://)(?:[^\W_](?:[^\W_]|-)*\.)+[^\W\d_]{2,}(?!\w)")

#: What a backslash makes of markup, as CommonMark has it.
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


def shown(text: str, length: int) -> str:
    r"""Return the first characters of a text, with those that cannot be seen written as `\u{202e}`.

    What is left can neither hide nor rearrange the text around it. It is no markup yet: escape it where it is put.
    """
    cut = text[:length]
    if not cut.isprintable():
        cut = "".join(map(_visible, cut))
    return f"{cut}…" if len(text) > length else cut


def as_markdown(text: str, length: int) -> str:
    """Return the first characters of a text as Markdown that shows just these, in one paragraph, without a link."""
    line = _MARKUP.sub(r"\\\g<0>", shown(" ".join(text.split()), length))
    return _LINKS.sub(_JOINT, _NUMBERED.sub(r"\1\\\2", line))


def from_markdown(text: str) -> str:
    """Return what Markdown that `as_markdown` made shows: for where it is not drawn."""
    return _ESCAPED.sub(r"\1", text.replace(_JOINT, ""))


def without_links(text: str) -> str:
    """Return a text in which nothing is taken for an address and made a link: it has invisible joints in it.

    Addresses on S3 can still be copied: nothing opens them.
    """
    return _HOSTS.sub(lambda host: host[0].replace(".", f".{_JOINT}"), _LINKS.sub(_JOINT, text))


def _visible(character: str) -> str:
    return f"\\u{{{ord(character):x}}}" if unicodedata.category(character) in _INVISIBLE else character

"""Make text from the data safe to show in HTML, Markdown and chats."""

import re
import unicodedata

#: Unicode categories that cannot be seen: control, format (bidirectional overrides), surrogate, private use, separator.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}

#: No characters, which XML cannot hold.
_NO_CHARACTERS = "\ufffe\uffff"

#: Markdown syntax, anywhere and at the start of a paragraph.
_MARKUP = re.compile(r"[\\`*\[\]<~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|^[-+#>]")
_NUMBERED = re.compile(r"^(\d+)([.)])")

#: Where addresses become links automatically. A backslash does not prevent it; an invisible joiner does.
_LINKS = re.compile(r"(?<=:)(?<!s3:)(?=//)|(?<=www)(?=\.)|(?<=@)", re.IGNORECASE)
_JOINT = "\u2060"

#: Hosts without a scheme, such as evil.example, which chats turn into links.
_HOSTS = re.compile(r"(?<![\w.-])(?<![^/]/)(?<!s3://)(?:[^\W_](?:[^\W_]|-)*\.)+[^\W\d_]{2,}(?!\w)")

#: Escaped punctuation in CommonMark.
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


def shown(text: str, length: int) -> str:
    r"""Return the first `length` characters of a text, with invisible ones written as `\u{202e}`.

    The result cannot hide or reorder the text around it. It is not escaped for any markup.
    """
    cut = text[:length]
    if not cut.isprintable():
        cut = "".join(map(_visible, cut))
    return f"{cut}…" if len(text) > length else cut


def shown_in_line(text: str, length: int) -> str:
    """Return a text as `shown` does, with a blank for line breaks and several blanks."""
    return shown(" ".join(text.split()), length)


def as_code(text: str) -> str:
    """Return a text as a Markdown code span; it may contain any backticks."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    blank = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{blank}{text}{blank}{fence}"


def as_markdown(text: str, length: int) -> str:
    """Return the first `length` characters as Markdown that renders as this text, in one paragraph, without links."""
    line = _MARKUP.sub(r"\\\g<0>", shown(" ".join(text.split()), length))
    return _LINKS.sub(_JOINT, _NUMBERED.sub(r"\1\\\2", line))


def from_markdown(text: str) -> str:
    """Undo `as_markdown`."""
    return _ESCAPED.sub(r"\1", text.replace(_JOINT, ""))


def without_links(text: str) -> str:
    """Insert invisible joiners so that nothing in a text becomes a link.

    S3 addresses are left as they are, because nothing opens them.
    """
    return _HOSTS.sub(lambda host: host[0].replace(".", f".{_JOINT}"), _LINKS.sub(_JOINT, text))


def _visible(character: str) -> str:
    hidden = character in _NO_CHARACTERS or unicodedata.category(character) in _INVISIBLE
    return f"\\u{{{ord(character):x}}}" if hidden else character

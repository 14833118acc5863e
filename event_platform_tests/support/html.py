"""What is in an HTML page, read as a browser does."""

from html.parser import HTMLParser

_NO_TEXT = {"style", "script"}


class Seen(HTMLParser):
    """The elements, attributes and words of a page, and its links."""

    def __init__(self, html: bytes) -> None:
        """Read it."""
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.links: list[str] = []
        self.feed(html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)
        self.links.extend(value or "" for name, value in attrs if name == "href")

    def handle_data(self, data: str) -> None:
        """Remember what is between elements."""
        if data.strip() and self.tags[-1] not in _NO_TEXT:
            self.words.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        """All words."""
        return " ".join(self.words)


#: Texts that would be markup, or hide what is around them.
HOSTILE = [
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "</title></svg><iframe>",
    "\"' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "]]><!--",
    "`code`",
]

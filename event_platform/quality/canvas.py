"""The parts that plots share, as SVG elements: ground, axes, text, titles. Scales and ticks are those of D3 (detroit).

A color is a variable of the page with a fallback: a plot in a page is light or dark like it; by itself, as a picture,
it is light. lxml escapes text from the data.
"""

from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Any, NamedTuple

from event_platform.quality.text import shown

VALUE, BAND, BAD = "var(--bar, #2f6fde)", "var(--band, #d6e3fb)", "var(--error, #c62828)"
REST = "var(--rest, #949ca8)"
_GROUND, _QUIET, _LINE = "var(--ground, #fff)", "var(--quiet, #5d6673)", "var(--line, #dfe3e8)"

#: Colors of series, in the light. The page's variables are --s0, --s1, …
SERIES = (
    *("#2f6fde", "#e0861a", "#179a8c", "#8b5bd6", "#d2477e"),
    *("#9a6a3a", "#48a5d8", "#b04a2f", "#6f9a2c", "#5b5fc7"),
)

_LEFT, _TOP, _RIGHT, _BOTTOM = 46, 10, 18, 22
_TICKS = 4
_TEXT_LENGTH = 120


class Size(NamedTuple):
    """Width and height of a plot, in the units of its coordinates. A page scales it."""

    width: int
    height: int


LARGE, SMALL = Size(860, 230), Size(350, 130)


@cache
def d3() -> Any:
    """Return the module detroit. It takes a tenth of a second to import, and reports alone need it."""
    import detroit  # noqa: PLC0415

    return detroit


@cache
def _xml() -> Any:
    from lxml import etree  # noqa: PLC0415 - for reports alone, as detroit

    return etree


class Canvas:
    """An SVG element with the axes of a plot. `below` is the height of what is under them."""

    def __init__(self, title: str, size: Size, below: int = 0) -> None:
        """Create it with its ground."""
        self.left, self.right = _LEFT, size.width - _RIGHT
        self.bottom = size.height - _BOTTOM
        width, height = str(size.width), str(size.height + below)
        frame = {"viewBox": f"0 0 {width} {height}", "width": width, "height": height, "class": "plot"}
        font = {"font-size": "11", "font-family": "system-ui, sans-serif"}
        name = {"role": "img", "aria-label": visible(title)}
        self.svg = _xml().Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **frame, **font, **name})
        self.path(f"M0,0H{width}V{height}H0Z", fill=_GROUND)

    def path(self, shape: str, **attributes: str) -> Any:
        """Append a path."""
        return self.draw("path", d=shape, **attributes)

    def draw(self, name: str, **attributes: object) -> Any:
        """Append an element."""
        texts = {key.replace("_", "-"): str(value) for key, value in attributes.items()}
        return _xml().SubElement(self.svg, name, texts)

    def write(self, text: str, x: float, y: float, anchor: str = "start") -> None:
        """Append a text."""
        self.draw("text", x=rounded(x), y=rounded(y), text_anchor=anchor, fill=_QUIET).text = visible(text)

    def title(self, text: str, x: float, width: float) -> None:
        """Append an invisible column that shows `text` to a pointer."""
        column = self.path(f"M{rounded(x)},{_TOP}h{rounded(width)}V{self.bottom}h-{rounded(width)}Z", fill="#0000")
        _xml().SubElement(column, "title").text = text

    def value_axis(self, highest: float, *, percent: bool = False) -> Any:
        """Draw the lines of values from 0 to `highest`. Return the scale."""
        scale = d3().scale_linear([0, highest or 1], [self.bottom, _TOP]).nice(_TICKS)
        ticks = [tick for tick in scale.ticks(_TICKS) if percent or tick == int(tick)]  # there is no half of an event
        self.path("".join(f"M{self.left},{rounded(scale(tick))}H{self.right}" for tick in ticks), stroke=_LINE)
        format_tick = d3().format("~%" if percent else "~s")
        for tick in ticks:
            self.write(format_tick(tick), self.left - 6, scale(tick) + 4, "end")
        return scale

    def date_axis(self, days: Sequence[date], labels: int) -> Any:
        """Draw every n-th of the days, the last one included. Return the scale."""
        scale = d3().scale_point(days, [self.left, self.right]).set_padding(0.5)
        step = max(-(-len(days) // labels), 1)
        for day in days[::-1][::step]:
            self.write(day.isoformat()[5:], scale(day), self.bottom + 15, "middle")
        return scale

    def __str__(self) -> str:
        """Return it as text."""
        return str(_xml().tostring(self.svg, encoding="unicode"))


def visible(text: str) -> str:
    """Return text from the data as XML can hold it."""
    return shown(text, _TEXT_LENGTH)


def rounded(value: float) -> float:
    """Return a coordinate with one decimal, whole ones without."""
    near = round(float(value), 1)
    return int(near) if near == int(near) else near

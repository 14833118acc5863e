"""Common parts of plots as SVG elements: ground, axes, text, titles. Scales and ticks are those of D3 (detroit).

A color is a CSS variable of the page with a fallback: a plot in a page is light or dark like the page; as a separate
picture, it is light. markupsafe escapes text from the data, as in templates. The pages of event types share their days
and have few ranges of values, so their axes are cached.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, lru_cache
from typing import Any, NamedTuple

from markupsafe import Markup, escape

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
_LABEL_WIDTH = 72
_TEXT_LENGTH = 120


class Size(NamedTuple):
    """Width and height of a plot in its coordinates. A page scales it."""

    width: int
    height: int


LARGE, SMALL = Size(860, 230), Size(350, 130)


@cache
def d3() -> Any:
    """Return the module detroit. Its import takes a tenth of a second, and only reports need it."""
    import detroit  # noqa: PLC0415

    return detroit


def element(name: str, content: str = "", **attributes: object) -> Markup:
    """Return an element. `content` is text, or elements as Markup."""
    texts = "".join(f' {key.replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{texts}>{escape(content)}</{name}>" if content else f"<{name}{texts}/>")  # noqa: S704 - escaped


class Canvas:
    """An SVG element with the axes of a plot. `below` is the height of the area under them."""

    def __init__(self, title: str, size: Size, below: int = 0) -> None:
        """Create it with its ground."""
        self.size = size
        self.left, self.right, self.bottom = _LEFT, size.width - _RIGHT, size.height - _BOTTOM
        width, height = size.width, size.height + below
        self._frame = {"viewBox": f"0 0 {width} {height}", "width": width, "height": height, "class": "plot"}
        self._frame |= {"font-size": "11", "font-family": "system-ui, sans-serif"}
        self._frame |= {"role": "img", "aria-label": visible(title)}
        self._elements: list[str] = []
        self.path(f"M0,0H{width}V{height}H0Z", fill=_GROUND)

    def append(self, elements: Markup) -> None:
        """Append elements."""
        self._elements.append(elements)

    def path(self, shape: str, **attributes: str) -> None:
        """Append a path."""
        self.append(element("path", d=shape, **attributes))

    def write(self, text: str, x: float, y: float, anchor: str = "start") -> None:
        """Append a text."""
        self.append(_write(text, x, y, anchor))

    def title(self, text: str, x: float, width: float) -> None:
        """Append an invisible column that shows `text` to a pointer."""
        self.append(_column(self.size, x, width, element("title", text)))

    def value_axis(self, highest: float, *, percent: bool = False) -> "ValueAxis":
        """Draw the lines of values from 0 to `highest`. Return the axis."""
        axis = _value_axis(self.size, highest, percent=percent)
        self.append(axis.drawn)
        return axis

    def day_axis(self, days: Sequence[date]) -> "DayAxis":
        """Draw some of the days, the last one included. Return the axis."""
        axis = _day_axis(self.size, tuple(days))
        self.append(axis.drawn)
        return axis

    def __str__(self) -> str:
        """Return the SVG text."""
        elements = Markup("".join(self._elements))  # noqa: S704 - each is Markup
        return element("svg", elements, xmlns="http://www.w3.org/2000/svg", **self._frame)


@dataclass(frozen=True)
class ValueAxis:
    """Lines of values, and the heights of values between them."""

    drawn: Markup
    bottom: int
    top: float  # the value at _TOP

    def height(self, value: float) -> float:
        """Return the coordinate of a value."""
        return rounded(self.bottom - value / self.top * (self.bottom - _TOP))


@lru_cache(maxsize=256)
def _value_axis(size: Size, highest: float, *, percent: bool) -> ValueAxis:
    scale = d3().scale_linear([0, highest or 1], [0, 1]).nice(_TICKS)
    axis = ValueAxis(Markup(), size.height - _BOTTOM, float(scale.get_domain()[1]))
    ticks = [tick for tick in scale.ticks(_TICKS) if percent or tick == int(tick)]  # there is no half of an event
    lines = "".join(f"M{_LEFT},{axis.height(tick)}H{size.width - _RIGHT}" for tick in ticks)
    label = d3().format("~%" if percent else "~s")
    texts = (_write(label(tick), _LEFT - 6, axis.height(tick) + 4, "end") for tick in ticks)
    return replace(axis, drawn=Markup().join([element("path", d=lines, stroke=_LINE), *texts]))


@dataclass(frozen=True)
class DayAxis:
    """A day axis: labels of some days, the coordinates of all, and a hover column for each, with `%s` for its text."""

    drawn: Markup
    places: Mapping[date, float]
    titles: Markup


@lru_cache(maxsize=32)
def _day_axis(size: Size, days: tuple[date, ...]) -> DayAxis:
    scale = d3().scale_point(days, [_LEFT, size.width - _RIGHT]).set_padding(0.5)
    step = max(-(-len(days) // (size.width // _LABEL_WIDTH)), 1)
    foot = size.height - _BOTTOM + 15
    texts = [_write(day.isoformat()[5:], scale(day), foot, "middle") for day in days[::-1][::step]]
    width = (size.width - _RIGHT - _LEFT) / max(len(days), 1)
    places = {day: rounded(scale(day)) for day in days}
    titles = [_column(size, place - width / 2, width, element("title", "%s")) for place in places.values()]
    return DayAxis(Markup().join(texts), places, Markup().join(titles))


def _write(text: str, x: float, y: float, anchor: str) -> Markup:
    return element("text", visible(text), x=rounded(x), y=rounded(y), text_anchor=anchor, fill=_QUIET)


def _column(size: Size, x: float, width: float, title: Markup) -> Markup:
    shape = f"M{rounded(x)},{_TOP}h{rounded(width)}V{size.height - _BOTTOM}h-{rounded(width)}Z"
    return element("path", title, d=shape, fill="#0000")


def visible(text: str) -> str:
    """Return text from the data as XML can hold it."""
    return shown(text, _TEXT_LENGTH)


def rounded(value: float) -> float:
    """Return a coordinate with one decimal, whole ones without."""
    near = round(float(value), 1)
    return int(near) if near == int(near) else near

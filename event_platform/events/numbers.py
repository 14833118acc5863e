"""JSON numbers as texts: whether a column holds them without changing a digit.

A Float64 column holds a number of at most 17 significant digits, without trailing zeros. Beyond 2^53 and close to 0,
where a double is less precise, it holds the numbers that the double rounds back to.
"""

import re
from dataclasses import dataclass

import polars as pl

from event_platform.events.wire import INT64

#: Significant digits that identify a double. Writers use no more.
_DIGITS = 17
_SMALLEST_NORMAL, _LARGEST_EXACT = 2.0**-1022, 2.0**53

_NUMBER = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?")

#: Longer exponents are cut: no record holds a number with that many digits.
_EXPONENT_LENGTH = 12

#: Numbers that a double may change: with more than 17 digits, with many zeros after the point, or with an exponent of
#: three digits that may underflow. Integers are recognized by their value instead.
_LONG = r"[\s:,\[]-?(?:0\.0*[1-9][0-9]{17}|0\.0{99}|[1-9](?:\.?[0-9]){17,}[eE]|" + "|".join(
    rf"[1-9][0-9]{{{before}}}\.[0-9]{{{_DIGITS - before}}}" for before in range(_DIGITS)
)
_LONG = f"{_LONG})"
_TINY = r"[0-9][eE]-[0-9]{3,}[\s,\]}]"
#: The same for a single value, stricter: 15 digits always fit, whatever the exponent.
_DOUBTFUL = re.compile(rb"[1-9](?:\.?[0-9]){15}|0{99}|[0-9][eE][+-]?[0-9]{3}")

#: 18 digits and a point span three bytes that are six apart, and the 13 bytes from the first to the last of these.
_STEP, _RUN = 6, re.compile(rb"[0-9.]{13,}[eE]?")
_IS_DIGIT = bytes(character in b"0123456789." for character in range(256))
_THREE_DIGITS = b"\1\1\1"


@dataclass(frozen=True)
class ParsedNumber:
    """A number as `digits` times ten to the `exponent`, without leading or trailing zeros. 0 has no digits."""

    sign: str
    digits: str
    exponent: int


def parse_number(text: str) -> ParsedNumber | None:
    """Parse a JSON number. Return None if the text is not a number."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    sign, whole, fraction, exponent = match.groups(default="")
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    power = int(exponent[:_EXPONENT_LENGTH] or "0") - len(fraction) + len(digits) - len(significant)
    return ParsedNumber(sign, significant, power)


def fits_double(text: str) -> bool:
    """Return whether a Float64 column holds the number, by the rule in the module's docstring."""
    number = parse_number(text)
    if number is None or len(number.digits) > _DIGITS:
        return False
    value = abs(float(text))
    if not number.digits or _SMALLEST_NORMAL <= value < _LARGEST_EXACT:
        return True
    if not 0 < value < float("inf"):
        return False
    return f"{value:.{len(number.digits) - 1}e}".partition("e")[0].replace(".", "").rstrip("0") == number.digits


def as_integer(text: str) -> int | None:
    """Return the number as an integer, also if written as `1.0` or `1e3`; None if it is not an Int64."""
    number = parse_number(text)
    if number is None or (number.digits and not 0 <= number.exponent + len(number.digits) - 1 < len(str(INT64.stop))):
        return None
    if number.exponent < 0 and number.digits:
        return None
    value = int(f"{number.sign}{number.digits or 0}{'0' * number.exponent if number.digits else ''}")
    return value if value in INT64 else None


def is_integer(text: str) -> bool:
    """Return whether a text is an integer of any size, as JSON Schema has it: also `1.0` and `1e3`."""
    number = parse_number(text)
    return number is not None and (number.exponent >= 0 or not number.digits)


def as_decimal(text: str, precision: int, scale: int) -> str | None:
    """Return the number as text without redundant zeros; None if it does not fit the precision and scale."""
    number = parse_number(text)
    if number is None:
        return None
    if not number.digits:
        return "0"
    if number.exponent < -scale or number.exponent + len(number.digits) > precision - scale:
        return None
    return f"{number.sign}{number.digits}e{number.exponent}"


def may_lose_digits(text: bytes | memoryview) -> bool:
    """Return whether a JSON text may contain a number that a double does not hold."""
    return _DOUBTFUL.search(text) is not None


def rows_that_may_lose_digits(bodies: pl.Series) -> list[int]:
    """Return the positions of bodies that may contain such a number, integers excepted. Cheap for whole columns."""
    pattern = f"{_LONG}|{_TINY}" if _has_long_number(bodies) else _TINY
    return bodies.str.contains(pattern).arg_true().to_list()


def _has_long_number(bodies: pl.Series) -> bool:
    """Return whether any body may contain 18 digits in a row, with a point or an exponent. Samples one byte of six."""
    *_, buffer = bodies.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
    texts = buffer.to_pybytes()
    sampled = texts[::_STEP].translate(_IS_DIGIT)
    place = sampled.find(_THREE_DIGITS)
    while place >= 0:
        start = place * _STEP
        run = _RUN.match(texts, start)
        if run is not None and (b"." in texts[max(start - _STEP, 0) : run.end()] or not run[0][-1:].isdigit()):
            return True
        place = sampled.find(_THREE_DIGITS, place + 1)
    return False

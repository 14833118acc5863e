"""Numbers as they are written in JSON → what a column holds of them without changing a digit.

A Float64 column holds a number of no more than 17 significant digits, zeros at the end not counted. Where a double is
coarser than that (integers and fractions beyond 2^53, and next to 0), it holds those that it can be rounded back to.
"""

import re
from dataclasses import dataclass

import polars as pl

from event_platform.events.wire import INT64

#: Every double is told from all others by so many digits: writers use no more of them.
_DIGITS = 17
_SMALLEST_NORMAL, _LARGEST_EXACT = 2.0**-1022, 2.0**53

_NUMBER = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?")

#: Exponents are cut here: there is no number of so many digits in any record.
_EXPONENT_LENGTH = 12

#: Numbers of which a double may change a digit: more digits than it has, so many zeros behind the point that it may be
#: too coarse, an exponent of three digits that may have made it 0. Integers are told by their value.
_LONG = r"[\s:,\[]-?(?:0\.0*[1-9][0-9]{17}|0\.0{99}|[1-9](?:\.?[0-9]){17,}[eE]|" + "|".join(
    rf"[1-9][0-9]{{{before}}}\.[0-9]{{{_DIGITS - before}}}" for before in range(_DIGITS)
)
_LONG = f"{_LONG})"
_TINY = r"[0-9][eE]-[0-9]{3,}[\s,\]}]"
#: The same and more, for a value that is looked at by itself: 15 digits are held whatever the exponent.
_DOUBTFUL = re.compile(rb"[1-9](?:\.?[0-9]){15}|0{99}|[0-9][eE][+-]?[0-9]{3}")

#: 18 digits and a point hold three bytes that are six apart, and the 13 from the first to the last of them.
_STEP, _RUN = 6, re.compile(rb"[0-9.]{13,}[eE]?")
_IS_DIGIT = bytes(character in b"0123456789." for character in range(256))
_THREE_DIGITS = b"\1\1\1"


@dataclass(frozen=True)
class Written:
    """A number without zeros at either end of its digits: `digits` times ten to the `exponent`; no digits are 0."""

    sign: str
    digits: str
    exponent: int


def written(text: str) -> Written | None:
    """Take a JSON number apart; None where the text is none."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    sign, whole, fraction, exponent = found.groups(default="")
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    power = int(exponent[:_EXPONENT_LENGTH] or "0") - len(fraction) + len(digits) - len(significant)
    return Written(sign, significant, power)


def fits_double(text: str) -> bool:
    """Say whether a Float64 column holds the number, by the rule above."""
    number = written(text)
    if number is None or len(number.digits) > _DIGITS:
        return False
    value = abs(float(text))
    if not number.digits or _SMALLEST_NORMAL <= value < _LARGEST_EXACT:
        return True
    if not 0 < value < float("inf"):
        return False
    return f"{value:.{len(number.digits) - 1}e}".partition("e")[0].replace(".", "").rstrip("0") == number.digits


def as_integer(text: str) -> int | None:
    """Return the integer that a number is, however it is written (`1.0`, `1e3`); None if it is none of 64 bits."""
    number = written(text)
    if number is None or (number.digits and not 0 <= number.exponent + len(number.digits) - 1 < len(str(INT64.stop))):
        return None
    if number.exponent < 0 and number.digits:
        return None
    value = int(f"{number.sign}{number.digits or 0}{'0' * number.exponent if number.digits else ''}")
    return value if value in INT64 else None


def as_decimal(text: str, precision: int, scale: int) -> str | None:
    """Return the number with no zeros that mean nothing; None where it has more digits on a side than there is room."""
    number = written(text)
    if number is None:
        return None
    if not number.digits:
        return "0"
    if number.exponent < -scale or number.exponent + len(number.digits) > precision - scale:
        return None
    return f"{number.sign}{number.digits}e{number.exponent}"


def doubtful(text: bytes | memoryview) -> bool:
    """Say whether there may be a number in a JSON text that a double does not hold."""
    return _DOUBTFUL.search(text) is not None


def doubtful_rows(bodies: pl.Series) -> list[int]:
    """Return the positions of bodies in which there may be one that cannot be told by its value.

    At a fraction of the price.
    """
    pattern = f"{_LONG}|{_TINY}" if _has_long_number(bodies) else _TINY
    return bodies.str.contains(pattern).arg_true().to_list()


def _has_long_number(bodies: pl.Series) -> bool:
    """Say whether there may be 18 digits in a row, with a point among them or an exponent.

    Of six bytes, one is looked at.
    """
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

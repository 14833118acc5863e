"""A bounded sample of landing: the beginnings of some objects, of days from the first to the last."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import TypeVar

from event_platform.events.errors import UnreadableError
from event_platform.landing.landing import LandedObject, Landing
from event_platform.landing.objects import pieces
from event_platform.landing.omissions import Omissions
from event_platform.landing.pieces import Limits

#: Days that are looked at, objects of all of them, and objects without a date in their path.
_DAYS, _OBJECTS, _OUTSIDE = 5, 30, 12

#: Bytes that are read of an object, and bytes of text that are kept of one and of all.
_READ, _LEAST, _KEPT = 32 << 20, 200_000, 24 << 20

#: A wrapper is kept whole up to this size: half of it is nothing.
_LIMITS = Limits(task_bytes=1 << 30, object_bytes=256 << 20, record_bytes=64 << 20)

T = TypeVar("T")


@dataclass(frozen=True)
class SampledObject:
    """The beginning of a landed object as text, and why it was not read further (none where it was)."""

    landed: LandedObject
    data: bytes
    fault: str = ""


def sample(landing: Landing, omissions: Omissions) -> Iterator[SampledObject]:
    """Yield the beginnings of some objects, but for those that go meanwhile. Raises LandingError."""
    chosen = list(_choose(landing, omissions))
    most = max(_LEAST, _KEPT // max(1, len(chosen)))
    for landed in chosen:
        try:
            found = _beginning(landing, landed, most)
        except UnreadableError:
            if not landing.is_gone(landed.name):
                raise
        else:
            yield found


def _choose(landing: Landing, omissions: Omissions) -> Iterator[LandedObject]:
    survey = landing.survey(omissions)
    yield from spread(sorted(survey.outside, key=lambda each: each.name), _OUTSIDE)
    days = spread(sorted(survey.days), _DAYS)
    for _, objects in landing.list_days(days, omissions, survey):
        yield from spread(sorted(objects, key=lambda each: each.name), _OBJECTS // len(days))


def spread(items: Sequence[T], most: int) -> list[T]:
    """Return some of the items, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[number * (len(items) - 1) // (most - 1)] for number in range(most)]


def _beginning(landing: Landing, landed: LandedObject, most: int) -> SampledObject:
    size = min(landed.size, _READ)
    data = landing.read(landed.name) if size == landed.size else landing.read_range(landed.name, 0, size)
    texts: list[bytes] = []
    fault = ""
    for piece in islice(pieces(landed.name, BytesIO(data), _LIMITS), 2):
        texts.append(piece.data)
        fault = piece.text if piece.reason and size == landed.size else fault
    text = b"\n".join(texts)
    if len(text) > most:
        text = text[: text.rfind(b"\n", 0, most) + 1] or text
    return SampledObject(landed, text, fault)

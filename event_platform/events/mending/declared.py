"""The names for files in `catalog/mend`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

#: A record as bytes or as a JSON object; None if the function leaves it unchanged.
MendedRecord = bytes | dict[str, Any] | None


@dataclass(frozen=True)
class DeadLetter:
    """A corrupt record, or a sound one with a name that is not in the catalog, as functions receive it."""

    body: bytes  # as landed; for a wrapped record, as in its wrapper
    reason: str | None  # the corruption reason; None for a sound record
    event_name: str | None  # None if unknown
    arrival_date: date
    source_object: str
    source_offset: int


Function = TypeVar("Function", bound=Callable[[DeadLetter], MendedRecord])


def mends(
    *,
    reason: str | None = None,  # noqa: ARG001 - module `files` reads the arguments from the text of the file
    name: str | None = None,  # noqa: ARG001
) -> Callable[[Function], Function]:
    """Declare the dead letters that a function receives: those with a corruption reason, those of a name, or both.

    With a name alone, it receives the sound events of that name, which must not be in the catalog.
    """
    return lambda function: function

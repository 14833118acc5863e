"""What a file in `catalog/mend` is written with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

#: A record as bytes or as the object that its JSON is; None where the function leaves it as it is.
MendedRecord = bytes | dict[str, Any] | None


@dataclass(frozen=True)
class DeadLetter:
    """A corrupt record, or a sound one with a name that is not in the catalog, as functions receive it."""

    body: bytes  # as it landed; of a record in a wrapper, as it is there
    reason: str | None  # why it is corrupt; None for a sound one
    event_name: str | None  # None where it is not known
    arrival_date: date
    source_object: str
    source_offset: int


Function = TypeVar("Function", bound=Callable[[DeadLetter], MendedRecord])


def mends(
    *,
    reason: str | None = None,  # noqa: ARG001 - what is declared is read from the text of the file: see `files`
    name: str | None = None,  # noqa: ARG001
) -> Callable[[Function], Function]:
    """Declare the dead letters that a function receives: those with a corruption reason, those of a name, or both.

    With a name alone, it receives the sound events of that name, which must not be in the catalog.
    """
    return lambda function: function

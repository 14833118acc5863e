"""What a file in `catalog/mend` is written with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

#: A record as bytes or as the object that its JSON is; None where the function leaves it as it is.
MendedRecord = bytes | dict[str, Any] | None


@dataclass(frozen=True)
class DeadLetter:
    """A record that is corrupt, or sound with a name that the catalog lacks, as a function gets it."""

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
    """Declare which dead letters a function is given: those that are corrupt for a reason, those of a name, or both.

    With a name alone, it is given the sound events of that name, which the catalog must lack.
    """
    return lambda function: function

"""Objects of pyiceberg's models."""

from collections.abc import Callable
from typing import Any, TypeVar

M = TypeVar("M")


def model(kind: Callable[..., M], **fields: Any) -> M:
    """Return an object of a model of pyiceberg, from its fields by name.

    Type checkers accept only the aliases of these names.
    """
    return kind(**fields)

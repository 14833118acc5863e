"""Objects of pyiceberg's models."""

from collections.abc import Callable
from typing import Any, TypeVar

M = TypeVar("M")


def model(kind: Callable[..., M], **fields: Any) -> M:
    """Return an object of a model of pyiceberg, by the names of its fields: type checkers know their aliases alone."""
    return kind(**fields)

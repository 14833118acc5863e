"""Settings of an event type's asset in its schema: owner, group, freshness, and comparison of its volume."""

import re
from collections.abc import Mapping
from typing import Any

#: What Dagster accepts as an asset owner: a mail address or a team.
_OWNER = re.compile(r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Z|a-z]{2,7}\b|team:(?s:.+)")

#: Numbers of `x-freshness` and `x-volume`.
_LEAST, _MOST = 0.1, 10_000

#: What Dagster takes for the name of a group of assets.
_GROUP = re.compile(r"[A-Za-z0-9_]+")


def setting_fault(document: Mapping[str, Any]) -> str | None:
    """Return the fault in a schema's settings of its asset; None if there is none."""
    owner, group = document.get("x-owner") or "", document.get("x-group") or ""
    if owner and not (isinstance(owner, str) and _OWNER.fullmatch(owner)):
        return f"x-owner: expected a mail address, or a team such as team:growth, got {owner!r}"
    if group and not (isinstance(group, str) and _GROUP.fullmatch(group)):
        return f"x-group: expected a name of letters, digits and _, such as payments, got {group!r}"
    return _freshness_fault(document.get("x-freshness")) or _volume_fault(document.get("x-volume"))


def _freshness_fault(value: Any) -> str | None:
    if value is None or (
        _are_positive(value, {"warn_hours", "fail_hours"}) and value["warn_hours"] < value["fail_hours"]
    ):
        return None
    expected = "hours, the second more than the first, such as {warn_hours: 6, fail_hours: 24}"
    return f"x-freshness: expected {expected}, got {value!r}"


def _volume_fault(value: Any) -> str | None:
    if value is None or value is False or _are_positive(value, {"deviations"}):
        return None
    return f"x-volume: expected {{deviations: 6}}, the standard deviations that warn, or false, got {value!r}"


def _are_positive(value: Any, keys: set[str]) -> bool:
    """Return whether a value is an object of exactly these keys, each with a number from 0.1 to 10,000."""
    if not isinstance(value, Mapping) or value.keys() != keys:
        return False
    numbers = [number for number in value.values() if isinstance(number, int | float) and not isinstance(number, bool)]
    return len(numbers) == len(keys) and all(_LEAST <= number <= _MOST for number in numbers)


def freshness_hours(document: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the hours until the asset of a valid schema warns and fails; None if it has no freshness limit."""
    hours = document.get("x-freshness")
    return (hours["warn_hours"], hours["fail_hours"]) if hours else None

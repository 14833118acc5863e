"""The time zone that dates and hours in the paths of landing are in."""

from datetime import UTC, tzinfo


def time_zone(name: str) -> tzinfo:
    """Return a time zone by its IANA name. Raises ValueError if it does not exist."""
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - each command imports this module

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        raise ValueError(f"{name!r} is not a time zone of the IANA database, such as Europe/Berlin") from error

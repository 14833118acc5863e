"""Settings, and the functions that parse their values. Each function raises ValueError with the expected form."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from event_platform.events.errors import SettingError
from event_platform.landing.zones import time_zone
from event_platform.storage.uris import SCHEMES

#: The names that Athena accepts for a database; Glue itself accepts more.
_GLUE_DATABASE = re.compile(r"[a-z0-9_]{1,255}")

#: S3 sends no notifications to a queue whose name ends with .fifo, and the filter of the stream does not support one.
_QUEUE = re.compile(r"https?://[^/\s]+/[0-9]{12}/[A-Za-z0-9_-]{1,80}")

_NO_CREDENTIALS = (
    "a catalog must not contain credentials; set PYICEBERG_CATALOG__EVENT_PLATFORM__<PROPERTY>, or PGUSER and "
    "PGPASSWORD for PostgreSQL"
)

_WEB_ADDRESS = re.compile(r"https?://[^/\s#]+(/[^\s#]*)?")

_SCHEDULER = re.compile(r"(tcp|tls)://(\[[0-9a-fA-F:]+\]|[\w.-]+):[0-9]{1,5}", re.ASCII)


@dataclass(frozen=True)
class Setting:
    """How a field of `Environment` is set: variable, meaning and parser."""

    variable: str
    type: str
    meaning: str
    parse: Callable[[str], Any]  # raises ValueError, saying what was expected
    local: str | None = None  # default in the local environment, for a field without a default
    beside_landing: Callable[[str], str | None] | None = None  # finds a default beside landing, which precedes `local`
    shown_default: str | None = None  # the default in words
    requires: tuple[str, ...] = ()  # fields that must be in a store of `schemes` if this one is set
    schemes: tuple[str, ...] = ("s3",)
    reason: str = ""  # why these stores are required
    require: Callable[[str, Mapping[str, Any]], None] | None = None  # raises ValueError, by the fields before it


def parse_location(value: str) -> str:
    """Return the URI of a bucket, or an absolute folder: every process of Dagster has to mean the same one."""
    scheme, separator, path = value.partition("://")
    if not separator:
        return str(Path(value).absolute())
    if "@" in path.partition("/")[0]:  # addresses are shown in logs and in the UI
        raise ValueError("an address must not contain credentials; set the AWS variables or a profile")
    if scheme not in SCHEMES or not path.partition("/")[0]:
        expected = "expected a folder or s3://<bucket>/<prefix>, gs://<bucket>/<prefix> or az://<container>/<prefix>"
        raise ValueError(f"{value}: {expected}")
    return value.rstrip("/")


def parse_folder(value: str) -> Path:
    """Return an absolute path."""
    return Path(value).absolute()


def parse_date(value: str) -> date:
    """Return a date in ISO 8601."""
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a date (YYYY-MM-DD)") from None


def start_date_file(landing: str) -> Path | None:
    """Return the file beside a landing folder to which `generate` writes the first day; None for a bucket."""
    return None if "://" in landing or not landing else Path(landing).parent / "start_date"


def read_start_date(landing: str) -> str | None:
    """Return the date in the file beside a landing folder; None if there is no such file."""
    path = start_date_file(landing)
    if path is None or not path.is_file():
        return None
    try:
        return parse_date(path.read_text(encoding="utf-8").strip()).isoformat()
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def parse_urls(value: str) -> tuple[str, ...]:
    """Return the URLs in a text, separated by spaces."""
    return tuple(value.split())


def parse_ui_url(value: str) -> str:
    """Return an address without a slash at its end."""
    return value.rstrip("/")


def parse_report_url(value: str) -> str:
    """Return the address of a web server's folder, without a slash at its end."""
    if "@" in value or "?" in value:  # the address is shown in the UI
        raise ValueError("an address must not contain credentials; see `event-platform report` for signed ones")
    if not _WEB_ADDRESS.fullmatch(value):
        raise ValueError(f"{value!r}: expected an address such as https://reports.example.com/quality")
    return value.rstrip("/")


def parse_days(value: str) -> int:
    """Return a positive number."""
    if not value.isascii() or not value.isdecimal() or int(value) == 0:
        raise ValueError(f"{value!r} is not a number of days (1 or more)")
    return int(value)


def parse_time_zone(value: str) -> str:
    """Return the name of a time zone that there is."""
    time_zone(value)
    return value


def parse_scheduler(value: str) -> str:
    """Return the address of a Dask scheduler."""
    if "@" in value:  # the address is shown in errors and in the UI
        raise ValueError("an address must not contain credentials; see Dask's settings for TLS")
    if not _SCHEDULER.fullmatch(value):
        raise ValueError(
            f"{value!r}: expected local, or the address of a Dask scheduler such as "
            "tcp://scheduler:8786 or tls://scheduler:8786"
        )
    return value


def parse_glue_database(value: str) -> str:
    """Return the name of a database that Athena accepts."""
    if not _GLUE_DATABASE.fullmatch(value):
        raise ValueError(
            f"{value!r}: expected the name of a database, of lower-case letters, digits and _, "
            "such as event_platform_prod"
        )
    return value


def parse_iceberg(value: str) -> str:
    """Return the definition of an Iceberg catalog if pyiceberg is installed. `require_iceberg` parses it."""
    if find_spec("pyiceberg") is None:
        raise ValueError("pyiceberg is not installed; expected pip install 'event-platform[iceberg]'")
    return value


def require_iceberg(value: str, others: Mapping[str, Any]) -> None:
    """Raise ValueError if the definition of a catalog is invalid, or does not fit the location of the lake."""
    from event_platform.publishing.iceberg.setting import read_setting  # noqa: PLC0415 - imports polars

    if "@" in value:  # the value is shown in errors and in the UI
        raise ValueError(_NO_CREDENTIALS)
    try:
        setting = read_setting(value, others.get("glue_database"))
    except SettingError as error:
        raise ValueError(str(error).partition(": ")[2]) from None
    if setting.secrets:
        raise ValueError(_NO_CREDENTIALS)
    lake = others.get("lake", "")
    if value == "sql" and "://" in lake:
        raise ValueError(f"sql: SQLite's file is in the lake, expected in a folder, not {lake}; add uri=postgresql+…")
    if setting.kind == "glue" and lake and not lake.startswith("s3://"):
        raise ValueError(f"glue: tables in a folder cannot be read from elsewhere; expected s3://…, not {lake}")


def parse_queue(value: str) -> str:
    """Return the URL of a standard SQS queue. S3 notifies no other kind."""
    if "@" in value or "?" in value:  # the address is shown in errors and in the UI
        raise ValueError("an address must not contain credentials; set the AWS variables or a profile")
    if not _QUEUE.fullmatch(value):
        raise ValueError(
            f"{value!r}: expected the URL of an SQS queue such as "
            "https://sqs.eu-central-1.amazonaws.com/123456789012/landing"
        )
    return value

"""Which environment this is, and what it sets: read from `EVENT_PLATFORM_*` and validated once."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path

from event_platform.events.errors import SettingError
from event_platform.storage.uris import SCHEMES

SAMPLE_CATALOG = Path(__file__).parent / "sample" / "catalog"


#: Tasks run in a pool of processes on this machine.
LOCAL_COMPUTE = "local"

#: What Athena takes for a database; Glue itself would take more.
_GLUE_DATABASE = re.compile(r"[a-z0-9_]{1,255}")

#: S3 tells no queue whose name ends with .fifo.
_QUEUE = re.compile(r"https?://[^/\s]+/[0-9]{12}/[A-Za-z0-9_-]{1,80}")

_SCHEDULER = re.compile(r"(tcp|tls)://(\[[0-9a-fA-F:]+\]|[\w.-]+):[0-9]{1,5}", re.ASCII)


class EnvironmentName(StrEnum):
    """The environments there are."""

    LOCAL = "local"
    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"


@dataclass(frozen=True)
class Environment:
    """Everything that differs between environments. Credentials are no part of it."""

    name: EnvironmentName
    landing: str
    lake: str
    catalog: Path
    start_date: date
    #: `[tag,tag=]url` as apprise writes it. They may hold passwords and tokens, and are never shown.
    alert_urls: tuple[str, ...] = field(default=(), repr=False)
    ui_url: str = "http://127.0.0.1:3000"
    #: Days that one run of a backfill takes; None for all of its days. More runs can be cancelled and retried in parts,
    #: and each costs Dagster some seconds.
    days_per_run: int | None = None
    #: LOCAL_COMPUTE, or the address of a Dask scheduler.
    compute: str = LOCAL_COMPUTE
    #: The database of the Glue Data Catalog in which tables are registered; None for none.
    glue_database: str | None = None
    #: The URL of the SQS queue that S3 tells of objects in landing; None for none.
    landing_queue: str | None = None


_LOCAL_DEFAULTS = {
    "EVENT_PLATFORM_LANDING": "./data/landing",
    "EVENT_PLATFORM_LAKE": "./data/lake",
    "EVENT_PLATFORM_CATALOG": str(SAMPLE_CATALOG),
    # Never a moving date: the first partition must not disappear overnight.
    "EVENT_PLATFORM_START_DATE": "2025-01-01",
}


def load_environment(variables: Mapping[str, str] | None = None) -> Environment:
    """Read the environment variables. Raises SettingError naming the variable, what it expects and what it got."""
    variables = os.environ if variables is None else variables
    name = _name(variables.get("EVENT_PLATFORM_ENV") or "local")
    landing, lake = (_place(variables, f"EVENT_PLATFORM_{place}", name) for place in ("LANDING", "LAKE"))
    return Environment(
        name=name,
        landing=landing,
        lake=lake,
        catalog=Path(_setting(variables, "EVENT_PLATFORM_CATALOG", name)).absolute(),
        start_date=_date(_setting(variables, "EVENT_PLATFORM_START_DATE", name)),
        alert_urls=tuple(variables.get("EVENT_PLATFORM_ALERT_URLS", "").split()),
        ui_url=(variables.get("EVENT_PLATFORM_UI_URL") or Environment.ui_url).rstrip("/"),
        days_per_run=_days(variables.get("EVENT_PLATFORM_DAYS_PER_RUN") or None),
        compute=_compute(variables.get("EVENT_PLATFORM_COMPUTE") or LOCAL_COMPUTE, landing, lake),
        glue_database=_glue_database(variables.get("EVENT_PLATFORM_GLUE_DATABASE") or None, lake),
        landing_queue=_landing_queue(variables.get("EVENT_PLATFORM_LANDING_QUEUE") or None, landing),
    )


def _name(value: str) -> EnvironmentName:
    try:
        return EnvironmentName(value)
    except ValueError as error:
        expected = ", ".join(EnvironmentName)
        raise SettingError(f"EVENT_PLATFORM_ENV: {value!r} is none of {expected}") from error


def _setting(variables: Mapping[str, str], variable: str, name: EnvironmentName) -> str:
    value = variables.get(variable) or (_LOCAL_DEFAULTS[variable] if name is EnvironmentName.LOCAL else None)
    if value is None:
        raise SettingError(f"{variable}: not set, and only the local environment has a default; {name} needs it")
    return value


def _place(variables: Mapping[str, str], variable: str, name: EnvironmentName) -> str:
    """Make a folder absolute, so that every process of Dagster means the same one."""
    value = _setting(variables, variable, name)
    scheme, separator, path = value.partition("://")
    if not separator:
        return str(Path(value).absolute())
    if "@" in path.partition("/")[0]:  # addresses are shown in logs and in the UI
        raise SettingError(f"{variable}: credentials are no part of an address; set the AWS variables or a profile")
    if scheme not in SCHEMES or not path.partition("/")[0]:
        expected = "expected a folder or s3://<bucket>/<prefix>, gs://<bucket>/<prefix> or az://<container>/<prefix>"
        raise SettingError(f"{variable}: {value}: {expected}")
    return value.rstrip("/")


def _date(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise SettingError(f"EVENT_PLATFORM_START_DATE: {value!r} is no date such as 2025-01-01") from error


def _days(value: str | None) -> int | None:
    if value is None:
        return None
    if not value.isascii() or not value.isdecimal() or int(value) == 0:
        raise SettingError(f"EVENT_PLATFORM_DAYS_PER_RUN: {value!r} is no number of days such as 7")
    return int(value)


def _compute(value: str, *places: str) -> str:
    if value == LOCAL_COMPUTE:
        return value
    if "@" in value:  # the address is shown in errors and in the UI
        raise SettingError("EVENT_PLATFORM_COMPUTE: credentials are no part of an address; see Dask's settings for TLS")
    if not _SCHEDULER.fullmatch(value):
        raise SettingError(
            f"EVENT_PLATFORM_COMPUTE: {value!r}: expected local, or the address of a Dask scheduler such as "
            "tcp://scheduler:8786 or tls://scheduler:8786"
        )
    folders = [place for place in places if "://" not in place]
    if folders:  # a worker elsewhere would write to a folder of its own, and what is committed would not be there
        raise SettingError(
            f"EVENT_PLATFORM_COMPUTE: {value}: workers may be on other machines, which see no folder of this one; "
            f"expected landing and lake on s3://<bucket>/<prefix>, not {' and '.join(folders)}"
        )
    return value


def _glue_database(value: str | None, lake: str) -> str | None:
    if value is None:
        return None
    if not _GLUE_DATABASE.fullmatch(value):
        raise SettingError(
            f"EVENT_PLATFORM_GLUE_DATABASE: {value!r}: expected the name of a database, of lower-case letters, digits "
            "and _, such as event_platform_prod"
        )
    if not lake.startswith("s3://"):  # whoever looks a table up there is on another machine
        raise SettingError(
            f"EVENT_PLATFORM_GLUE_DATABASE: {value}: tables in a folder cannot be found from elsewhere; expected "
            f"EVENT_PLATFORM_LAKE on s3://<bucket>/<prefix>, not {lake}"
        )
    return value


def _landing_queue(value: str | None, landing: str) -> str | None:
    if value is None:
        return None
    if "@" in value or "?" in value:  # the address is shown in errors and in the UI
        raise SettingError(
            "EVENT_PLATFORM_LANDING_QUEUE: credentials are no part of an address; set the AWS variables or a profile"
        )
    if not _QUEUE.fullmatch(value):
        raise SettingError(
            f"EVENT_PLATFORM_LANDING_QUEUE: {value!r}: expected the URL of an SQS queue such as "
            "https://sqs.eu-central-1.amazonaws.com/123456789012/landing"
        )
    if not landing.startswith("s3://"):
        raise SettingError(
            f"EVENT_PLATFORM_LANDING_QUEUE: {value}: nobody tells of objects in a folder; expected "
            f"EVENT_PLATFORM_LANDING on s3://<bucket>/<prefix>, not {landing}"
        )
    return value

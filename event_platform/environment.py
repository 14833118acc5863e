"""The settings of the platform: one annotated field for each `EVENT_PLATFORM_*` variable, validated once.

`Environment` is the only list of settings: parsing, `--help`, `doctor` and the documentation read it. It is a dataclass
rather than a pydantic-settings model because every command imports this module: pydantic-settings alone takes a quarter
of a second of CPU time.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from event_platform.events.errors import SettingError
from event_platform.setting_values import (
    Setting,
    parse_date,
    parse_days,
    parse_folder,
    parse_glue_database,
    parse_iceberg,
    parse_location,
    parse_queue,
    parse_report_url,
    parse_scheduler,
    parse_time_zone,
    parse_ui_url,
    parse_urls,
    read_start_date,
    require_iceberg,
)
from event_platform.storage.uris import SCHEMES

SAMPLE_CATALOG = Path(__file__).parent / "sample" / "catalog"

#: Tasks run in a pool of processes on this machine.
LOCAL_COMPUTE = "local"

#: The first partition of the local environment where no sample has written another. Never a moving date: the first
#: partition must not disappear overnight.
FIRST_DATE = "2025-01-01"


class EnvironmentName(StrEnum):
    """The environments."""

    LOCAL = "local"
    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"


def _parse_name(value: str) -> EnvironmentName:
    try:
        return EnvironmentName(value)
    except ValueError:
        raise ValueError(f"{value!r} is not one of {', '.join(EnvironmentName)}") from None


def _parse_compute(value: str) -> str:
    return value if value == LOCAL_COMPUTE else parse_scheduler(value)


_LOCATION = "folder, or s3://, gs:// or az://<bucket>/<prefix>"


@dataclass(frozen=True)
class Environment:
    """Everything that differs between environments. Credentials are not part of it."""

    name: Annotated[
        EnvironmentName,
        Setting(
            variable="EVENT_PLATFORM_ENV",
            type="local, dev, staging or prod",
            meaning="Name of the environment",
            parse=_parse_name,
            local="local",
        ),
    ]
    landing: Annotated[
        str,
        Setting(
            variable="EVENT_PLATFORM_LANDING",
            type=_LOCATION,
            meaning="Where objects land",
            parse=parse_location,
            local="./data/landing",
        ),
    ]
    lake: Annotated[
        str,
        Setting(
            variable="EVENT_PLATFORM_LAKE",
            type=_LOCATION,
            meaning="Where the tables are",
            parse=parse_location,
            local="./data/lake",
        ),
    ]
    catalog: Annotated[
        Path,
        Setting(
            variable="EVENT_PLATFORM_CATALOG",
            type="folder",
            meaning="JSON Schemas of the event types, and envelope.yaml",
            parse=parse_folder,
            local=str(SAMPLE_CATALOG),
            shown_default="the sample catalog",
        ),
    ]
    start_date: Annotated[
        date,
        Setting(
            variable="EVENT_PLATFORM_START_DATE",
            type="date (YYYY-MM-DD)",
            meaning="First partition; do not move it later",
            parse=parse_date,
            local=FIRST_DATE,
            beside_landing=read_start_date,
            shown_default=f"first day of the sample beside landing, or {FIRST_DATE}",
        ),
    ]
    #: They may hold passwords and tokens, and are never shown.
    alert_urls: Annotated[
        tuple[str, ...],
        Setting(
            variable="EVENT_PLATFORM_ALERT_URLS",
            type="[tag,tag=]URL of apprise, several separated by spaces",
            meaning="Where alerts are sent",
            parse=parse_urls,
        ),
    ] = field(default=(), repr=False)
    ui_url: Annotated[
        str,
        Setting(
            variable="EVENT_PLATFORM_UI_URL",
            type="URL",
            meaning="Address of Dagster's UI, for the links in alerts",
            parse=parse_ui_url,
        ),
    ] = "http://127.0.0.1:3000"
    report_url: Annotated[
        str | None,
        Setting(
            variable="EVENT_PLATFORM_REPORT_URL",
            type="URL",
            meaning="Address at which <lake>/reports/quality is served, for links to its pages",
            parse=parse_report_url,
        ),
    ] = None
    #: More runs can be cancelled and retried in parts, and each costs Dagster some seconds.
    days_per_run: Annotated[
        int | None,
        Setting(
            variable="EVENT_PLATFORM_DAYS_PER_RUN",
            type="number of days",
            meaning="Partitions in one run of a backfill",
            parse=parse_days,
            shown_default="all",
        ),
    ] = None
    compute: Annotated[
        str,
        Setting(
            variable="EVENT_PLATFORM_COMPUTE",
            type="local, or tcp://<host>:<port> of a Dask scheduler",
            meaning="Where tasks run: in a process for each core, or on a cluster",
            parse=_parse_compute,
            requires=("landing", "lake"),
            schemes=SCHEMES,
            reason="workers may be on other machines, which cannot read a folder of this one",
        ),
    ] = LOCAL_COMPUTE
    glue_database: Annotated[
        str | None,
        Setting(
            variable="EVENT_PLATFORM_GLUE_DATABASE",
            type="name of a database",
            meaning="Database of the Glue Data Catalog in which tables are registered, for Athena and Spark",
            parse=parse_glue_database,
            requires=("lake",),
            reason="tables in a folder cannot be read from elsewhere",
        ),
    ] = None
    iceberg: Annotated[
        str | None,
        Setting(
            variable="EVENT_PLATFORM_ICEBERG",
            type="sql, rest or glue, then name=value of pyiceberg's properties",
            meaning="Iceberg catalog in which the tables are published, without a copy, for warehouses",
            parse=parse_iceberg,
            require=require_iceberg,
        ),
    ] = None
    landing_queue: Annotated[
        str | None,
        Setting(
            variable="EVENT_PLATFORM_LANDING_QUEUE",
            type="URL of an SQS queue",
            meaning="Queue that S3 notifies of new objects in landing",
            parse=parse_queue,
            requires=("landing",),
            reason="nothing notifies of objects in a folder",
        ),
    ] = None
    redeliveries_queue: Annotated[
        str | None,
        Setting(
            variable="EVENT_PLATFORM_REDELIVERIES_QUEUE",
            type="URL of an SQS queue",
            meaning="Queue of the events that the filter of the stream drops; they become `filtered_events`",
            parse=parse_queue,
        ),
    ] = None
    landing_timezone: Annotated[
        str,
        Setting(
            variable="EVENT_PLATFORM_LANDING_TIMEZONE",
            type="name of a time zone, such as Europe/Berlin",
            meaning="Time zone of the dates and hours in the paths of landing",
            parse=parse_time_zone,
        ),
    ] = "UTC"


def load_environment(variables: Mapping[str, str] | None = None) -> Environment:
    """Read the environment variables. Raises SettingError with one line per invalid variable."""
    values, faults = parse_settings(os.environ if variables is None else variables)
    if faults:
        raise SettingError("\n".join(f"{variable}: {fault}" for variable, fault in faults.items()))
    return Environment(**values)


def parse_settings(variables: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values (set, or local defaults) by field, and the faults of invalid settings by variable.

    An empty variable counts as unset.
    """
    values, faults = dict[str, Any](), dict[str, str]()
    for name, setting in settings_by_field().items():
        try:
            text = _text_of(setting, variables, values)
            if text is not None:
                values[name] = setting.parse(text)
                _require_store(setting, text, values)
                if setting.require:
                    setting.require(text, values)
        except ValueError as error:
            faults[setting.variable] = str(error)
            values.pop(name, None)
    return values, faults


def _text_of(setting: Setting, variables: Mapping[str, str], values: Mapping[str, Any]) -> str | None:
    """Return the text of a setting, or its local default; None if the default of the field applies.

    Raises ValueError.
    """
    text = variables.get(setting.variable)
    if text or setting.local is None:
        return text or None
    environment = values.get("name", EnvironmentName.LOCAL)
    if environment is not EnvironmentName.LOCAL:
        raise ValueError(f"not set; {environment} requires a value, only local has a default")
    return (setting.beside_landing and setting.beside_landing(values.get("landing", ""))) or setting.local


def _require_store(setting: Setting, text: str, values: Mapping[str, Any]) -> None:
    """Raise ValueError if a setting requires a store that a location is not in.

    Invalid locations have a fault already.
    """
    locations = [values[name] for name in setting.requires if name in values]
    wrong = [uri for uri in locations if uri.partition("://")[0] not in setting.schemes]
    if wrong and text != LOCAL_COMPUTE:
        expected = " and ".join(settings_by_field()[name].variable for name in setting.requires)
        raise ValueError(
            f"{text}: {setting.reason}; expected {expected} on s3://<bucket>/<prefix>, not {' and '.join(wrong)}"
        )


@cache
def settings_by_field() -> dict[str, Setting]:
    """Return the setting of each field of `Environment`."""
    hints = get_type_hints(Environment, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}

"""Required contents of dagster.yaml in DAGSTER_HOME: settings the platform relies on, and current module names.

This module reads the file and opens nothing. `dagster.yaml` beside it is an example with every setting.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

EXAMPLE = Path(__file__).with_name("dagster.yaml")

_HERE = "event_platform.defs.instance"

#: Modules in dagster.yaml of releases before 0.2, and their present names.
MOVED_MODULES = {
    "event_platform.event_log": f"{_HERE}.sqlite_event_log",
    "event_platform.event_log_postgres": f"{_HERE}.postgres_event_log",
    "event_platform.sqlite_storage": f"{_HERE}.sqlite_storage",
    "event_platform.operations.launcher": f"{_HERE}.launcher",
}

_STORAGES = ("run_storage", "event_log_storage", "schedule_storage")

#: Where Dagster's own storages are.
_DAGSTER = {"dagster", "dagster_postgres", "dagster_mysql"}


@dataclass(frozen=True)
class RequiredSetting:
    """A setting that the platform relies on."""

    #: Keys from the top of the file, joined with dots.
    key: str
    #: The value to write.
    value: str
    #: The effect of omitting it.
    otherwise: str
    #: Whether a value is sufficient; by default, it must equal `value`.
    accepts: Callable[[Any], bool] | None = None

    def is_met_by(self, value: Any) -> bool:
        """Return whether the value in dagster.yaml is sufficient; None stands for a missing value."""
        return self.accepts(value) if self.accepts else bool(value == yaml.safe_load(self.value))

    def __str__(self) -> str:
        """Return the setting and the reason for it, on one line."""
        return f"{self.key}: {self.value} (otherwise {self.otherwise})"


def _is_shared_storage(value: Any) -> bool:
    """Return whether several processes may safely open a storage for the first time at once."""
    if not isinstance(value, Mapping):
        return False
    return "postgres" in value or "mysql" in value or _package(value) not in {"", "dagster"}


def _is_event_log_that_keeps_connections(value: Any) -> bool:
    return isinstance(value, Mapping) and _package(value) not in {"", *_DAGSTER}


def _finds_dead_runs(value: Any) -> bool:
    return isinstance(value, Mapping) and "class" in value and value["class"] != "DefaultRunLauncher"


def _package(value: Mapping[str, Any]) -> str:
    return str(value.get("module", "")).partition(".")[0]


_BROKEN = "processes that open it at once for the first time can break it"

#: Everything that the platform needs of dagster.yaml. Doctor and the code location read this list, and no other.
REQUIRED_SETTINGS = (
    RequiredSetting("run_storage", f"class SqliteRunStorage of {_HERE}.sqlite_storage", _BROKEN, _is_shared_storage),
    RequiredSetting(
        "schedule_storage", f"class SqliteScheduleStorage of {_HERE}.sqlite_storage", _BROKEN, _is_shared_storage
    ),
    RequiredSetting(
        "event_log_storage",
        f"class SqliteEventLog of {_HERE}.sqlite_event_log, or PostgresEventLog of {_HERE}.postgres_event_log",
        "each event of a run opens a new connection",
        _is_event_log_that_keeps_connections,
    ),
    RequiredSetting("concurrency.pools.granularity", "run", "two runs may build the same table at once"),
    RequiredSetting("concurrency.pools.default_limit", "1", "two runs may build the same table at once"),
    RequiredSetting(
        "run_launcher",
        f"class WatchfulRunLauncher of {_HERE}.launcher, or EcsRunLauncher of dagster_aws.ecs",
        "a killed process of a run is not noticed",
        _finds_dead_runs,
    ),
    RequiredSetting("run_monitoring.enabled", "true", "a run whose process was killed stays active for ever"),
    RequiredSetting("run_retries.enabled", "true", "a run whose process was killed is not started again"),
    RequiredSetting(
        "run_retries.retry_on_asset_or_op_failure",
        "false",
        "a run whose steps have been retried already is started again",
    ),
)


def read_dagster_yaml(home: str) -> Any:
    """Return the contents of dagster.yaml in DAGSTER_HOME; empty without one. Raises OSError and YAMLError."""
    path = Path(home).expanduser() / "dagster.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.is_file() else {}


def missing_settings(settings: Any) -> list[RequiredSetting]:
    """Return the required settings that the content of a dagster.yaml lacks, or has with another value."""
    return [setting for setting in REQUIRED_SETTINGS if not setting.is_met_by(_value(settings, setting.key))]


def replacements(settings: Any) -> str | None:
    """Return one sentence that says which outdated modules to replace in dagster.yaml; None if there are none."""
    modules = [section.get("module") for section in _sections(settings)]
    moved = [f"{old} by {new}" for old, new in MOVED_MODULES.items() if old in modules]
    return f"replace {', and '.join(moved)}" if moved else None


@cache
def warn_of_missing_settings(home: str | None) -> None:
    """Log the required settings that dagster.yaml in `home` lacks, once in a process."""
    try:
        missing = missing_settings(read_dagster_yaml(home) if home else {})
    except (OSError, yaml.YAMLError):  # Dagster itself reports that
        return
    if missing:
        location = (
            f"{Path(home) / 'dagster.yaml'}" if home else "DAGSTER_HOME is not set, so that there is no dagster.yaml"
        )
        lines = [f"{location}: {len(missing)} settings that event_platform needs are missing", *map(str, missing)]
        logging.getLogger("event_platform").warning("%s", "\n  ".join([*lines, f"{EXAMPLE} has them all"]))


def _value(settings: Any, key: str) -> Any:
    if key in _STORAGES and isinstance(settings, Mapping) and key not in settings:
        return settings.get("storage")  # one section for all three
    for part in key.split("."):
        settings = settings.get(part) if isinstance(settings, Mapping) else None
    return settings


def _sections(settings: Any) -> list[Mapping[str, Any]]:
    sections = settings.values() if isinstance(settings, Mapping) else []
    return [section for section in sections if isinstance(section, Mapping)]

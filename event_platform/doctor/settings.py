"""Checks of the configuration: the settings, Dagster's home, the catalog, and versions."""

import difflib
import platform
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from event_platform.defs.instance.dagster_yaml import EXAMPLE, missing_settings, read_dagster_yaml, replacements
from event_platform.defs.instance.home import RecordsError
from event_platform.doctor.finding import Finding, bad, good, skipped
from event_platform.environment import FIRST_DATE, Environment, load_environment, parse_settings
from event_platform.events.catalog import load_catalog
from event_platform.events.errors import CatalogError, SettingError
from event_platform.events.mending.opening import require_runnable
from event_platform.events.wording import counted
from event_platform.publishing.iceberg.setting import is_secret
from event_platform.settings_table import settings_table

_SET_IT = "set the variable for Dagster and for this command; event-platform --help lists all"


@dataclass(frozen=True)
class Settings:
    """The environment, with local defaults for faulty settings, and the faults."""

    environment: Environment
    faults: Mapping[str, str]  # by variable

    def are_valid(self, *names: str) -> bool:
        """Return whether variables (without EVENT_PLATFORM_) have no fault, so that further checks can use them."""
        return not any(f"EVENT_PLATFORM_{name}" in self.faults for name in names)


def read_settings(variables: Mapping[str, str]) -> Settings:
    """Read all variables, even if some are faulty."""
    values, faults = parse_settings(variables)
    defaults = load_environment({"EVENT_PLATFORM_START_DATE": FIRST_DATE})  # what is beside landing may be faulty
    return Settings(replace(defaults, **values), faults)


def check_settings(settings: Settings, variables: Mapping[str, str]) -> list[Finding]:
    """Report each faulty variable, and each whose name is close to a setting's."""
    findings = [bad("settings", f"{variable}: {fault}", _SET_IT) for variable, fault in settings.faults.items()]
    names = [row.name for row in settings_table()]
    for variable in sorted(variables):
        near = difflib.get_close_matches(variable, names, n=1, cutoff=0.9)
        if variable.startswith("EVENT_PLATFORM_") and variable not in names and near:
            findings.append(bad("settings", f"{variable}: not a setting of the platform", f"did you mean {near[0]}?"))
    if not settings.environment.ui_url.startswith(("http://", "https://")):
        findings.append(bad("settings", "EVENT_PLATFORM_UI_URL: not the address of a page", "set it to http(s)://…"))
    if findings:
        return findings
    environment = settings.environment
    locations = f"landing {environment.landing}, lake {environment.lake}, from {environment.start_date}"
    return [good("settings", f"{environment.name}: {locations}, compute {environment.compute}")]


def check_alert_addresses(environment: Environment) -> Finding:
    """Check that the alert addresses can be used. Nothing is sent, and no address is shown."""
    name, urls = "alert addresses", environment.alert_urls
    if not urls:
        return skipped(name, "EVENT_PLATFORM_ALERT_URLS is not set: no alerts are sent")
    from event_platform.defs.alerts.services import parse_services  # noqa: PLC0415 - it takes a quarter of a second

    try:
        _, faults = parse_services(urls)
    except SettingError as error:
        faults = str(error).splitlines()[:-1]
    if faults:
        message = "; ".join(fault.removeprefix("EVENT_PLATFORM_ALERT_URLS: ") for fault in faults)
        return bad(name, message, "fix the entries of EVENT_PLATFORM_ALERT_URLS")
    return good(name, f"{len(urls)} can be used; no alert was sent to try them")


def check_dagster_home(home: str | None) -> Finding:
    """Check that Dagster has a folder for its records. `check_records` checks whether they open."""
    name = "dagster home"
    if not home:
        return skipped(name, "DAGSTER_HOME is not set: runs of this command are not recorded")
    folder = Path(home).expanduser()
    if not folder.is_absolute() or not folder.is_dir():
        return bad(name, f"DAGSTER_HOME: {home}: not a folder", "set it to the absolute path of an existing folder")
    try:
        settings = read_dagster_yaml(home)
        tempfile.TemporaryFile(dir=folder).close()
    except yaml.YAMLError as error:
        return bad(name, f"{folder / 'dagster.yaml'}: {error}", f"correct the file: {EXAMPLE} is an example")
    except OSError as error:
        return bad(name, f"{folder}: {error.strerror}", "let the user of this process read and write the folder")
    return _check_dagster_yaml(folder / "dagster.yaml", settings)


def _check_dagster_yaml(path: Path, settings: Any) -> Finding:
    """Return whether dagster.yaml has the required settings, with class names that exist."""
    name = "dagster home"
    if replaced := replacements(settings):
        return bad(name, f"{path} names modules that have moved", replaced)
    if missing := missing_settings(settings):
        problem = "settings are missing" if path.is_file() else "no dagster.yaml, so these settings are missing"
        return bad(name, f"{path}: {problem}: {'; '.join(map(str, missing))}", f"take them from {EXAMPLE}")
    return good(name, str(path.parent))


def check_records(home: str, lake: str, sound: Finding) -> Finding:
    """Return `sound` if Dagster's records can be opened and do not belong to another lake.

    They are created if missing.
    """
    from event_platform.defs.instance.opening import open_instance  # noqa: PLC0415 - it takes Dagster

    try:
        open_instance(home, lake).dispose()
    except RecordsError as error:
        return bad(sound.name, error.problem, error.remedy)
    except SettingError as error:
        return bad(sound.name, str(error), "set DAGSTER_HOME, or its database, to that of this environment")
    return sound


def check_workspaces(folders: Iterable[Path]) -> Finding | None:
    """Report a workspace.yaml that loads the platform more than once; None if none does."""
    for path in (folder / "workspace.yaml" for folder in folders):
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
        except (OSError, yaml.YAMLError):
            continue  # Dagster reports its faults
        names = list(_locations(document))
        if len(names) > 1:
            message = f"{path}: {len(names)} code locations of event_platform ({', '.join(names)})"
            remedy = "use one Dagster instance with its own workspace for each environment: assets with the same key"
            return bad("dagster home", message, f"{remedy} hide each other")
    return None


def _locations(workspace: Any) -> Iterator[str]:
    """Yield the names of the code locations of this package in a workspace.yaml."""
    entries = workspace.get("load_from") if isinstance(workspace, Mapping) else None
    for entry in entries if isinstance(entries, list) else []:
        for how, what in entry.items() if isinstance(entry, Mapping) else []:
            known = what if isinstance(what, Mapping) else {"module_name": what}
            module = str(known.get("module_name") or known.get("package_name") or "")
            if how in {"python_module", "python_package"} and module.partition(".")[0] == "event_platform":
                yield str(known.get("location_name") or module)


def check_catalog(settings: Settings) -> Finding:
    """Check that the catalog loads: every schema is valid, and no two names share a table."""
    name = "catalog"
    if not settings.are_valid("CATALOG"):
        return skipped(name, "EVENT_PLATFORM_CATALOG is invalid")
    folder = settings.environment.catalog
    try:
        catalog = load_catalog(folder)
        require_runnable(catalog.mending)
    except CatalogError as error:
        first, *further = str(error).splitlines()
        return bad(name, f"{first}{f', and {len(further)} more' if further else ''}", "event-platform catalog check")
    if not catalog.event_types:
        return bad(name, f"{folder}: no schemas", "draft one for each event name: event-platform catalog draft")
    return good(name, f"{counted(len(catalog.event_types), 'event type')} in {folder}")


def check_versions() -> Finding:
    """Check that this package supports the versions of Python and of the libraries."""
    name, supported = "versions", metadata("event-platform")["Requires-Python"]
    wrong = (
        []
        if platform.python_version() in SpecifierSet(supported)
        else [f"Python {platform.python_version()}: expected {supported}"]
    )
    required = [Requirement(line) for line in requires("event-platform") or []]
    tested = [
        requirement
        for requirement in required
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    ]
    wrong += [fault for requirement in tested if (fault := _version_fault(requirement))]
    if wrong:
        return bad(name, "; ".join(wrong), "install the versions of requirements.lock")
    return good(name, f"Python {platform.python_version()} and {len(tested)} libraries, all supported")


def _version_fault(required: Requirement) -> str | None:
    try:
        installed = version(required.name)
    except PackageNotFoundError:
        return f"{required.name}: not installed"
    return (
        None
        if required.specifier.contains(installed, prereleases=True)
        else f"{required.name} {installed}: expected {required.specifier}"
    )


def secrets_in(variables: Mapping[str, str]) -> set[str]:
    """Return the values of variables that must never be shown."""
    hidden = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "DAGSTER_POSTGRES_PASSWORD")
    urls = variables.get("EVENT_PLATFORM_ALERT_URLS", "").split()
    secret = {value for name, value in variables.items() if name in hidden or "SECRET" in name or "PASSWORD" in name}
    secret |= {value for name, value in variables.items() if name.startswith("PYICEBERG_") and is_secret(name)}
    return {*secret, *urls, *(url.partition("://")[2] for url in urls)}

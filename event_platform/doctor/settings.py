"""Checks of what is set: the variables of the platform, where Dagster is at home, the catalog, and versions."""

import difflib
import platform
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from event_platform.doctor.finding import Finding, bad, good, left_out
from event_platform.environment import SAMPLE_CATALOG, Environment, load_environment
from event_platform.events.catalog import load_catalog
from event_platform.events.errors import CatalogError, SettingError

#: Every setting, with what stands for it where it is wrong, so that the others can be looked at.
_STAND_INS = {
    "EVENT_PLATFORM_ENV": "local",
    "EVENT_PLATFORM_LANDING": "s3://stands-in/landing",
    "EVENT_PLATFORM_LAKE": "s3://stands-in/lake",
    "EVENT_PLATFORM_CATALOG": str(SAMPLE_CATALOG),
    "EVENT_PLATFORM_START_DATE": "2025-01-01",
    "EVENT_PLATFORM_ALERT_URLS": "",
    "EVENT_PLATFORM_UI_URL": "",
    "EVENT_PLATFORM_DAYS_PER_RUN": "",
    "EVENT_PLATFORM_COMPUTE": "",
    "EVENT_PLATFORM_GLUE_DATABASE": "",
    "EVENT_PLATFORM_LANDING_QUEUE": "",
}
_SET_IT = "set the variable where Dagster and this command run: docs/reference/settings.md lists all variables"


@dataclass(frozen=True)
class Settings:
    """The environment as far as its variables are right, and what is wrong with the others."""

    environment: Environment
    faults: Mapping[str, str]  # by variable

    def is_known(self, *names: str) -> bool:
        """Say whether the variables (without EVENT_PLATFORM_) are right, so that what they set can be looked at."""
        return not any(f"EVENT_PLATFORM_{name}" in self.faults for name in names)


def read_settings(variables: Mapping[str, str]) -> Settings:
    """Read all variables, also where some are wrong: each has its own fault."""
    known, faults = dict(variables), dict[str, str]()
    while True:
        try:
            return Settings(load_environment(known), faults)
        except SettingError as error:
            variable, _, told = str(error).partition(":")
            if variable in faults or variable not in _STAND_INS:
                raise
            faults[variable] = told.strip()
            known[variable] = _STAND_INS[variable]


def check_settings(settings: Settings, variables: Mapping[str, str]) -> list[Finding]:
    """Tell of each variable that is wrong, and of each that only looks like one."""
    found = [bad("settings", f"{variable}: {told}", _SET_IT) for variable, told in settings.faults.items()]
    for variable in sorted(variables):
        near = difflib.get_close_matches(variable, _STAND_INS, n=1, cutoff=0.9)
        if variable.startswith("EVENT_PLATFORM_") and variable not in _STAND_INS and near:
            found.append(bad("settings", f"{variable}: no setting of the platform", f"did you mean {near[0]}?"))
    if not settings.environment.ui_url.startswith(("http://", "https://")):
        found.append(bad("settings", "EVENT_PLATFORM_UI_URL: no address of a page", "expected http://… or https://…"))
    if found:
        return found
    here = settings.environment
    places = f"landing {here.landing}, lake {here.lake}, from {here.start_date}, compute {here.compute}"
    return [good("settings", f"{here.name}: {places}")]


def check_alert_addresses(environment: Environment) -> Finding:
    """Tell whether alerts have somewhere to go. Nothing is sent, and no address is shown."""
    name, urls = "alert addresses", environment.alert_urls
    if not urls:
        return left_out(name, "EVENT_PLATFORM_ALERT_URLS is not set: nobody is told of failures")
    from event_platform.defs.alerts.services import services  # noqa: PLC0415 - it takes a quarter of a second

    try:
        _, faults = services(urls)
    except SettingError as error:
        faults = str(error).splitlines()[:-1]
    if faults:
        told = "; ".join(fault.removeprefix("EVENT_PLATFORM_ALERT_URLS: ") for fault in faults)
        return bad(name, told, "mend the entries of EVENT_PLATFORM_ALERT_URLS")
    return good(name, f"{len(urls)} can be used; whether they answer was not tried")


def read_dagster_settings(home: str) -> Any:
    """Return what dagster.yaml in DAGSTER_HOME says; empty where there is none. Raises OSError and YAMLError."""
    path = Path(home).expanduser() / "dagster.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.is_file() else {}


def check_dagster_home(home: str | None) -> Finding:
    """Tell whether Dagster has a place for its records. Whether they can be opened is for `check_records` to tell."""
    name = "dagster home"
    if not home:
        return left_out(name, "DAGSTER_HOME is not set: runs of this command leave no record")
    folder = Path(home).expanduser()
    if not folder.is_absolute() or not folder.is_dir():
        return bad(name, f"DAGSTER_HOME: {home}: no folder", "set it to the absolute path of a folder that exists")
    try:
        read_dagster_settings(home)
        tempfile.TemporaryFile(dir=folder).close()
    except yaml.YAMLError as error:
        return bad(name, f"{folder / 'dagster.yaml'}: {error}", "mend the file: .dagster/dagster.yaml is an example")
    except OSError as error:
        return bad(name, f"{folder}: {error.strerror}", "let the user of this process read and write the folder")
    if not (folder / "dagster.yaml").is_file():
        remedy = "put one there, such as .dagster/dagster.yaml: without its pools two runs may do the same work"
        return bad(name, f"{folder}: no dagster.yaml", remedy)
    return good(name, str(folder))


def check_records(home: str, lake: str, sound: Finding) -> Finding:
    """Tell whether Dagster's records can be opened, and are not another lake's. If so, `sound` holds.

    They are made where there are none yet.
    """
    from event_platform.defs.instance.opening import RecordsError, open_instance  # noqa: PLC0415 - it takes Dagster

    try:
        open_instance(home, lake).dispose()
    except RecordsError as error:
        return bad(sound.name, error.problem, error.remedy)
    except SettingError as error:
        return bad(sound.name, str(error), "set DAGSTER_HOME, or its database, to those of this environment")
    return sound


def check_workspaces(folders: Iterable[Path]) -> Finding | None:
    """Tell of a workspace.yaml that loads the platform more than once; None where there is none."""
    for path in (folder / "workspace.yaml" for folder in folders):
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
        except (OSError, yaml.YAMLError):
            continue  # Dagster says what is wrong with it
        names = list(_locations(document))
        if len(names) > 1:
            told = f"{path}: {len(names)} code locations of event_platform ({', '.join(names)})"
            remedy = "have one Dagster instance, with a workspace of its own, for each environment: assets of the same"
            return bad("dagster home", told, f"{remedy} keys hide each other")
    return None


def _locations(workspace: Any) -> Iterator[str]:
    """Yield the names of the code locations in a workspace.yaml that are of this package."""
    entries = workspace.get("load_from") if isinstance(workspace, Mapping) else None
    for entry in entries if isinstance(entries, list) else []:
        for how, what in entry.items() if isinstance(entry, Mapping) else []:
            known = what if isinstance(what, Mapping) else {"module_name": what}
            module = str(known.get("module_name") or known.get("package_name") or "")
            if how in {"python_module", "python_package"} and module.partition(".")[0] == "event_platform":
                yield str(known.get("location_name") or module)


def check_catalog(settings: Settings) -> Finding:
    """Tell whether the catalog loads: every schema sound, and no two names with one table."""
    name = "catalog"
    if not settings.is_known("CATALOG"):
        return left_out(name, "EVENT_PLATFORM_CATALOG is wrong")
    folder = settings.environment.catalog
    try:
        catalog = load_catalog(folder)
    except CatalogError as error:
        first, *others = str(error).splitlines()
        return bad(name, f"{first}{f', and {len(others)} more' if others else ''}", "event-platform catalog check")
    if not catalog.event_types:
        return bad(name, f"{folder}: no schema", "write one for each event name: event-platform catalog draft")
    return good(name, f"{len(catalog.event_types)} event types in {folder}")


def check_versions() -> Finding:
    """Tell whether Python and the libraries are among the versions that this package was tested with."""
    name, wanted = "versions", metadata("event-platform")["Requires-Python"]
    wrong = (
        [] if platform.python_version() in SpecifierSet(wanted) else [f"Python {platform.python_version()}: {wanted}"]
    )
    required = [Requirement(line) for line in requires("event-platform") or []]
    tested = [each for each in required if each.marker is None or each.marker.evaluate({"extra": ""})]
    wrong += [told for each in tested if (told := _wrong_version(each))]
    if wrong:
        return bad(name, "; ".join(wrong), "install the versions of requirements.lock")
    return good(name, f"Python {platform.python_version()}, and {len(tested)} libraries as tested")


def _wrong_version(required: Requirement) -> str | None:
    try:
        there = version(required.name)
    except PackageNotFoundError:
        return f"{required.name}: not installed"
    return (
        None
        if required.specifier.contains(there, prereleases=True)
        else f"{required.name} {there}: {required.specifier}"
    )


def secrets_in(variables: Mapping[str, str]) -> set[str]:
    """Return the values of variables that are never to be shown."""
    hidden = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "DAGSTER_POSTGRES_PASSWORD")
    urls = variables.get("EVENT_PLATFORM_ALERT_URLS", "").split()
    secret = {value for name, value in variables.items() if name in hidden or "SECRET" in name or "PASSWORD" in name}
    return {*secret, *urls, *(url.partition("://")[2] for url in urls)}

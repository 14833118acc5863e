"""The list of checks for an installation, by its settings."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import boto3
import yaml
from botocore.exceptions import BotoCoreError

from event_platform.defs.instance.dagster_yaml import read_dagster_yaml
from event_platform.doctor.finding import PATIENCE, Check, Finding, Verdict, bad, run_all, skipped, without
from event_platform.doctor.iceberg import check_iceberg
from event_platform.doctor.layout import check_layout
from event_platform.doctor.machine import check_disk, check_memory, memory_of_this_machine
from event_platform.doctor.names import check_names
from event_platform.doctor.records import check_sample
from event_platform.doctor.services import (
    check_dask,
    check_glue,
    check_postgres,
    check_queue,
    check_redeliveries,
    names_postgres,
)
from event_platform.doctor.settings import (
    Settings,
    check_alert_addresses,
    check_catalog,
    check_dagster_home,
    check_records,
    check_settings,
    check_versions,
    check_workspaces,
    read_settings,
    secrets_in,
)
from event_platform.doctor.store import (
    check_bucket,
    check_clock,
    check_conditional_put,
    check_credentials,
    check_folder,
    check_reading,
    check_writing,
    s3_client,
)
from event_platform.doctor.tables import check_tables
from event_platform.events.errors import SettingError
from event_platform.landing.bucket import BucketLanding
from event_platform.landing.folder import FolderLanding
from event_platform.landing.landing import Landing
from event_platform.storage.aws import error_line, region_of
from event_platform.storage.bucket import BucketStore
from event_platform.storage.clients import IMPATIENT
from event_platform.storage.folder import FolderStore
from event_platform.storage.opening import find_options


def examine(variables: Mapping[str, str], seconds: float = PATIENCE) -> list[Finding]:
    """Run all checks within `seconds` and return their findings, without secrets."""
    settings = read_settings(variables)
    environment, home = settings.environment, variables.get("DAGSTER_HOME")
    checks: dict[str, Check] = {
        "settings": lambda: check_settings(settings, variables),
        "versions": check_versions,
        "catalog": lambda: check_catalog(settings),
        "dagster home": lambda: _check_dagster_home(home, environment.lake),
        "postgres": lambda: _check_postgres(home, environment.lake),
        **_checks_of_locations(settings),
        "lake tables": lambda: check_tables(settings),
        "landing queue": lambda: check_queue(environment.landing_queue),
        "redeliveries": lambda: check_redeliveries(environment.redeliveries_queue),
        "glue database": lambda: check_glue(environment.glue_database),
        "iceberg catalog": lambda: check_iceberg(settings),
        "dask": lambda: check_dask(environment.compute),
        "memory": lambda: check_memory(environment, memory_of_this_machine(), os.cpu_count() or 1),
        "disk": lambda: check_disk(environment),
        "alert addresses": lambda: check_alert_addresses(environment),
    }
    findings = run_all(checks, seconds)
    return without(secrets_in(variables) | _credentials(), findings)


def _checks_of_locations(settings: Settings) -> dict[str, Check]:
    """Return the checks of landing and the lake. S3 itself is checked only if one of them is there."""
    landing, lake = settings.environment.landing, settings.environment.lake
    locations = {"landing": landing, "lake": lake}
    valid = {name: uri for name, uri in locations.items() if settings.are_valid(name.upper())}
    invalid = {
        name: _skip(name, f"EVENT_PLATFORM_{name.upper()} is invalid") for name in locations if name not in valid
    }
    folders: dict[str, Check] = {
        name: partial(check_folder, name, Path(uri), written=name == "lake")
        for name, uri in valid.items()
        if "://" not in uri
    }
    buckets = {name: uri for name, uri in valid.items() if "://" in uri}
    of_buckets = _checks_of_buckets(buckets, settings) if buckets else {}
    checks: dict[str, Check] = {**invalid, **folders, **of_buckets}
    if "landing" in folders:
        checks["landing layout"] = lambda: check_layout(FolderStore(Path(landing)))
        checks["landing names"] = lambda: check_names(FolderLanding(Path(landing)))
        checks["sampled records"] = _check_sample(FolderLanding(Path(landing)), settings)
    return checks


def _skip(name: str, reason: str) -> Check:
    return partial(skipped, name, reason)


def _check_sample(landing: Landing, settings: Settings) -> Check:
    if not settings.are_valid("CATALOG", "START_DATE"):
        return _skip("sampled records", "EVENT_PLATFORM_CATALOG or EVENT_PLATFORM_START_DATE is invalid")
    environment = settings.environment
    return partial(check_sample, landing, environment.catalog, environment.start_date)


def _checks_of_buckets(locations: Mapping[str, str], settings: Settings) -> dict[str, Check]:
    """Return the checks of locations in buckets: those for S3 only, and those for every store."""
    on_s3 = {name: uri for name, uri in locations.items() if uri.startswith("s3://")}
    names = ["credentials", "clock", *locations, "landing layout"]
    try:
        checks = _checks_on_s3(on_s3) if on_s3 else {}
    except BotoCoreError as error:  # such as a profile that does not exist
        finding = bad("credentials", error_line(error), "check AWS_PROFILE, AWS_REGION and the AWS configuration files")
        return {"credentials": lambda: finding, **{name: _skip(name, "no S3 client") for name in names[1:]}}
    for name, uri in locations.items():
        try:
            store = BucketStore(uri, find_options(uri), IMPATIENT)
        except SettingError as error:
            checks[f"{name} store"] = partial(bad, f"{name} store", str(error), "set what is missing")
        else:
            checks.update(_checks_of_landing(store, settings) if name == "landing" else _checks_of_lake(store))
    return checks


def _checks_of_landing(store: BucketStore, settings: Settings) -> dict[str, Check]:
    return {
        "read landing": partial(check_reading, store),
        "landing layout": partial(check_layout, store),
        "landing names": lambda: check_names(BucketLanding(store)),
        "sampled records": _check_sample(BucketLanding(store), settings),
    }


def _checks_of_lake(store: BucketStore) -> dict[str, Check]:
    return {"write lake": partial(check_writing, store), "conditional put": partial(check_conditional_put, store)}


def _checks_on_s3(locations: Mapping[str, str]) -> dict[str, Check]:
    """Return the checks for S3 only. They share one client, because creating a client takes longer than a request."""
    client, region = s3_client(), region_of(boto3.Session())
    return {
        "credentials": check_credentials,
        "clock": partial(check_clock, client.meta.endpoint_url),
        **{name: partial(check_bucket, name, uri, client, region) for name, uri in locations.items()},
    }


def _check_dagster_home(home: str | None, lake: str) -> Finding:
    finding = check_workspaces([Path.cwd(), *([Path(home)] if home else [])]) or check_dagster_home(home)
    if home is None or finding.verdict is not Verdict.GOOD or names_postgres(read_dagster_yaml(home)):
        return finding
    return check_records(home, lake, finding)


def _check_postgres(home: str | None, lake: str) -> Finding:
    try:
        finding = check_postgres(read_dagster_yaml(home) if home else {})
    except (OSError, yaml.YAMLError):
        return skipped("postgres", "dagster.yaml cannot be read")
    return check_records(home, lake, finding) if home and finding.verdict is Verdict.GOOD else finding


def _credentials() -> set[str]:
    """Return the parts of the AWS credentials. They are removed from every text that is shown."""
    try:
        credentials = boto3.Session().get_credentials()
    except BotoCoreError:
        return set()
    return (
        {value for value in (credentials.access_key, credentials.secret_key, credentials.token) if value}
        if credentials
        else set()
    )

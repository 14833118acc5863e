"""The environment is read once, validated, and says what is wrong with it."""

from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from event_platform.doctor.settings import read_settings
from event_platform.environment import (
    SAMPLE_CATALOG,
    Environment,
    EnvironmentName,
    load_environment,
)
from event_platform.events.errors import SettingError
from event_platform.settings_table import settings_table

ELSEWHERE = {
    "EVENT_PLATFORM_LANDING": "s3://bucket/landing/",
    "EVENT_PLATFORM_LAKE": "s3://bucket/lake",
    "EVENT_PLATFORM_CATALOG": "/catalog",
    "EVENT_PLATFORM_START_DATE": "2025-06-01",
}


def test_nothing_set_is_the_local_environment() -> None:
    """Folders below the working one, the sample's catalog, and a first day that never moves."""
    here = Path.cwd()
    assert load_environment({}) == Environment(
        EnvironmentName.LOCAL, f"{here}/data/landing", f"{here}/data/lake", SAMPLE_CATALOG, date(2025, 1, 1)
    )


def test_the_local_start_date_is_that_of_the_sample_beside_landing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only in the local environment, and unless the variable is set. A file without a date is an error naming it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "start_date").write_text("2026-11-26\n", encoding="utf-8")
    assert load_environment({}).start_date == date(2026, 11, 26)
    for others in (
        {"EVENT_PLATFORM_LANDING": str(tmp_path / "mine" / "landing")},
        {"EVENT_PLATFORM_LANDING": "s3://data/landing"},
        {"EVENT_PLATFORM_START_DATE": "2025-01-01"},
    ):
        assert load_environment(others).start_date == date(2025, 1, 1)
    with pytest.raises(SettingError, match=r"^EVENT_PLATFORM_START_DATE: not set; dev requires a value"):
        load_environment({"EVENT_PLATFORM_ENV": "dev", **ELSEWHERE, "EVENT_PLATFORM_START_DATE": ""})
    (tmp_path / "data" / "start_date").write_text("soon", encoding="utf-8")
    with pytest.raises(SettingError, match=r"EVENT_PLATFORM_START_DATE: .*data/start_date: 'soon' is not a date"):
        load_environment({})
    assert read_settings({}).faults.keys() == {"EVENT_PLATFORM_START_DATE"}


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_elsewhere_every_setting_is_required(name: str) -> None:
    """A wrong default would be somebody else's data."""
    whole = {"EVENT_PLATFORM_ENV": name, **ELSEWHERE}
    assert load_environment(whole) == Environment(
        EnvironmentName(name), "s3://bucket/landing", "s3://bucket/lake", Path("/catalog"), date(2025, 6, 1)
    )
    for variable in ELSEWHERE:
        with pytest.raises(
            SettingError, match=rf"^{variable}: not set; {name} requires a value, only local has a default$"
        ):
            load_environment({key: value for key, value in whole.items() if key != variable})


@pytest.mark.parametrize(
    ("variable", "value", "changed"),
    [
        ("EVENT_PLATFORM_LANDING", "/landing/", {"landing": "/landing"}),
        ("EVENT_PLATFORM_LAKE", "s3://bucket/lake/", {"lake": "s3://bucket/lake"}),
        ("EVENT_PLATFORM_CATALOG", "/catalog", {"catalog": Path("/catalog")}),
        ("EVENT_PLATFORM_START_DATE", "2024-02-29", {"start_date": date(2024, 2, 29)}),
        ("EVENT_PLATFORM_LAKE", "", {}),
        ("EVENT_PLATFORM_DAYS_PER_RUN", "7", {"days_per_run": 7}),
        ("EVENT_PLATFORM_DAYS_PER_RUN", "", {}),
        ("EVENT_PLATFORM_COMPUTE", "local", {}),
        ("EVENT_PLATFORM_GLUE_DATABASE", "", {}),
        ("EVENT_PLATFORM_REPORT_URL", "https://x.example/quality/", {"report_url": "https://x.example/quality"}),
        ("EVENT_PLATFORM_REPORT_URL", "http://127.0.0.1:8000", {"report_url": "http://127.0.0.1:8000"}),
        ("EVENT_PLATFORM_COMPUTE", "", {}),
    ],
)
def test_settings_can_be_overridden_one_by_one(variable: str, value: str, changed: dict[str, Any]) -> None:
    """The others keep their defaults; what is set to nothing is not set."""
    assert load_environment({variable: value}) == replace(load_environment({}), **changed)


@pytest.mark.parametrize("address", ["tcp://10.0.0.7:8786", "tls://scheduler.example:8786", "tcp://[::1]:8786"])
def test_tasks_run_on_a_cluster_where_landing_and_the_lake_are_on_s3(address: str) -> None:
    """Workers on other machines see no folder of this one: what they wrote to theirs would be missing here."""
    assert load_environment({**ELSEWHERE, "EVENT_PLATFORM_COMPUTE": address}).compute == address
    for variable in ("EVENT_PLATFORM_LANDING", "EVENT_PLATFORM_LAKE"):
        with pytest.raises(SettingError, match=r"EVENT_PLATFORM_COMPUTE: .*s3://<bucket>/<prefix>, not /mine$"):
            load_environment({**ELSEWHERE, "EVENT_PLATFORM_COMPUTE": address, variable: "/mine"})


def test_tables_are_registered_where_the_lake_is_on_s3() -> None:
    """Who looks a table up in the Glue Data Catalog sees no folder of this machine."""
    database = {"EVENT_PLATFORM_GLUE_DATABASE": "event_platform_dev"}
    assert load_environment({**ELSEWHERE, **database}).glue_database == "event_platform_dev"
    with pytest.raises(
        SettingError, match=r"EVENT_PLATFORM_GLUE_DATABASE: .*EVENT_PLATFORM_LAKE on s3://.*, not /mine$"
    ):
        load_environment({**ELSEWHERE, **database, "EVENT_PLATFORM_LAKE": "/mine"})


def test_an_iceberg_catalog_is_one_that_pyiceberg_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """With where it is, and nothing that lets one in: the text is shown in errors and in the UI."""
    variable = "EVENT_PLATFORM_ICEBERG"
    for text in (
        "sql",
        "rest uri=https://catalog.example/ns warehouse=lake",
        "sql uri=postgresql+psycopg2://db/iceberg",
    ):
        assert load_environment({variable: text}).iceberg == text
    on_s3 = {**ELSEWHERE, "EVENT_PLATFORM_GLUE_DATABASE": "events"}
    for text in ("glue", "glue namespace=events_iceberg"):
        assert load_environment({**on_s3, variable: text}).iceberg == text
    for others, text, expected in (
        ({}, "hive", "'hive' is not one of sql, rest, glue; expected"),
        ({}, "rest", "rest: no address; expected"),
        ({}, "glue namespace=x", "glue: tables in a folder cannot be read from elsewhere; expected s3://"),
        (ELSEWHERE, "glue", "glue: no database; expected `glue namespace=…`"),
        (ELSEWHERE, "sql", "sql: SQLite's file is in the lake, expected in a folder, not s3://bucket/lake; add uri="),
        ({}, "sql uri=postgresql://me:made-up@db/x", "a catalog must not contain credentials"),
        ({}, "rest uri=https://x.example token=made-up", "a catalog must not contain credentials"),
    ):
        with pytest.raises(SettingError) as raised:
            load_environment({**others, variable: text})
        assert str(raised.value).startswith(f"{variable}: {expected}")
        assert "made-up" not in str(raised.value)
    monkeypatch.setattr("event_platform.setting_values.find_spec", lambda _: None)
    with pytest.raises(SettingError, match=r"pyiceberg is not installed; .*'event-platform\[iceberg\]'"):
        load_environment({variable: "sql"})


QUEUE = "https://sqs.eu-central-1.amazonaws.com/123456789012/landing"


def test_the_queue_of_the_filter_needs_no_bucket() -> None:
    """What is in it comes from the stream; it is an address like that of the other queue."""
    variable = "EVENT_PLATFORM_REDELIVERIES_QUEUE"
    assert load_environment({variable: QUEUE, "EVENT_PLATFORM_LANDING": "/mine"}).redeliveries_queue == QUEUE
    assert load_environment({}).redeliveries_queue is None
    with pytest.raises(SettingError, match=f"{variable}: 'redeliveries': expected the URL of an SQS queue such as"):
        load_environment({variable: "redeliveries"})


def test_a_queue_tells_of_objects_where_landing_is_on_s3() -> None:
    """Nobody sends messages of a folder. Credentials in its address are refused, and not shown."""
    variable = "EVENT_PLATFORM_LANDING_QUEUE"
    for url in (QUEUE, "http://127.0.0.1:5101/123456789012/landing"):
        assert load_environment({**ELSEWHERE, variable: url}).landing_queue == url
    assert load_environment({variable: ""}).landing_queue is None
    with pytest.raises(SettingError, match=rf"{variable}: .*EVENT_PLATFORM_LANDING on s3://.*, not /mine$"):
        load_environment({variable: QUEUE, "EVENT_PLATFORM_LANDING": "/mine"})
    for address in (QUEUE.replace("sqs.", "key:secret@sqs."), f"{QUEUE}?X-Amz-Signature=secret"):
        with pytest.raises(SettingError, match=f"{variable}: an address must not contain credentials") as failure:
            load_environment({**ELSEWHERE, variable: address})
        assert "secret" not in str(failure.value)
    for wrong in ("landing", "arn:aws:sqs:eu-central-1:123456789012:landing", f"{QUEUE}.fifo", f"{QUEUE}/x"):
        with pytest.raises(SettingError, match=f"{variable}: '{wrong}': expected the URL of an SQS queue such as"):
            load_environment({**ELSEWHERE, variable: wrong})


@pytest.mark.parametrize(
    "address",
    ["reports.example", "/data/lake/reports", "javascript:alert(1)", "https://", "https://x y", "https://x/#a"],
)
def test_pages_are_served_at_the_address_of_a_folder(address: str) -> None:
    """What is no such address would be a dead link in the UI. Signed ones hold a credential, and are not shown."""
    with pytest.raises(SettingError, match=r"EVENT_PLATFORM_REPORT_URL: .*expected an address such as https://"):
        load_environment({"EVENT_PLATFORM_REPORT_URL": address})
    for secret in ("https://me:secret@x.example", "https://x.example/a?X-Amz-Signature=secret"):
        with pytest.raises(SettingError, match="must not contain credentials") as failure:
            load_environment({"EVENT_PLATFORM_REPORT_URL": secret})
        assert "secret" not in str(failure.value)


@pytest.mark.parametrize("variable", ["EVENT_PLATFORM_LANDING", "EVENT_PLATFORM_LAKE"])
@pytest.mark.parametrize("address", ["s3://key:secret@bucket/lake", "https://key:secret@host/lake"])
def test_an_address_with_a_credential_is_refused_and_not_shown(variable: str, address: str) -> None:
    """Addresses of tables are in logs and in the UI."""
    with pytest.raises(SettingError, match=f"{variable}: an address must not contain credentials") as failure:
        load_environment({variable: address})
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("EVENT_PLATFORM_ENV", "production", "'production' is not one of local, dev, staging, prod"),
        ("EVENT_PLATFORM_START_DATE", "yesterday", "EVENT_PLATFORM_START_DATE: 'yesterday' is not a date (YYYY-MM-DD)"),
        (
            "EVENT_PLATFORM_START_DATE",
            "2025-02-30",
            "EVENT_PLATFORM_START_DATE: '2025-02-30' is not a date (YYYY-MM-DD)",
        ),
        ("EVENT_PLATFORM_DAYS_PER_RUN", "0", "EVENT_PLATFORM_DAYS_PER_RUN: '0' is not a number of days (1 or more)"),
        ("EVENT_PLATFORM_DAYS_PER_RUN", "-1", "EVENT_PLATFORM_DAYS_PER_RUN: '-1' is not a number of days (1 or more)"),
        (
            "EVENT_PLATFORM_DAYS_PER_RUN",
            "all",
            "EVENT_PLATFORM_DAYS_PER_RUN: 'all' is not a number of days (1 or more)",
        ),
        ("EVENT_PLATFORM_COMPUTE", "dask", "EVENT_PLATFORM_COMPUTE: 'dask': expected local, or the address of a Dask"),
        ("EVENT_PLATFORM_COMPUTE", "tcp://scheduler", "'tcp://scheduler': expected local, or the address of a Dask"),
        ("EVENT_PLATFORM_COMPUTE", "http://scheduler:8787", "expected local, or the address of a Dask scheduler such"),
        (
            "EVENT_PLATFORM_COMPUTE",
            "tcp://me:pw@scheduler:1",
            "EVENT_PLATFORM_COMPUTE: an address must not contain credentials",
        ),
        (
            "EVENT_PLATFORM_GLUE_DATABASE",
            "Events-1",
            "'Events-1': expected the name of a database, of lower-case letters",
        ),
        (
            "EVENT_PLATFORM_LAKE",
            "ftp://b/lake",
            "EVENT_PLATFORM_LAKE: ftp://b/lake: expected a folder or s3://<bucket>/",
        ),
        ("EVENT_PLATFORM_LANDING", "s3://", "EVENT_PLATFORM_LANDING: s3://: expected a folder or s3://<bucket>/"),
        ("EVENT_PLATFORM_LANDING", "s3:///prefix", "EVENT_PLATFORM_LANDING: s3:///prefix: expected a folder or s3://"),
    ],
)
def test_a_faulty_setting_is_named_with_what_was_expected(variable: str, value: str, message: str) -> None:
    """In one line."""
    with pytest.raises(SettingError) as failure:
        load_environment({variable: value})
    assert message in str(failure.value)


def test_every_faulty_setting_has_a_line() -> None:
    """So that nobody corrects them one run at a time. Settings that depend on a faulty one are not reported."""
    with pytest.raises(SettingError) as failure:
        load_environment(
            {
                "EVENT_PLATFORM_ENV": "prod",
                "EVENT_PLATFORM_LAKE": "ftp://b/lake",
                "EVENT_PLATFORM_GLUE_DATABASE": "events",
                "EVENT_PLATFORM_DAYS_PER_RUN": "all",
            }
        )
    assert [line.partition(":")[0] for line in str(failure.value).splitlines()] == [
        "EVENT_PLATFORM_LANDING",
        "EVENT_PLATFORM_LAKE",
        "EVENT_PLATFORM_CATALOG",
        "EVENT_PLATFORM_START_DATE",
        "EVENT_PLATFORM_DAYS_PER_RUN",
    ]


def test_the_table_of_settings_says_what_loading_does() -> None:
    """Its defaults are those of an empty environment; elsewhere exactly the required ones have to be set."""
    table = {row.name: row for row in settings_table()}
    assert len(table) == len(fields(Environment))
    assert all(row.type and row.meaning for row in table.values())
    required = {name for name, row in table.items() if row.default_elsewhere == "required"}
    assert required == {"EVENT_PLATFORM_ENV", *ELSEWHERE}
    in_words = {
        "EVENT_PLATFORM_CATALOG": "the sample catalog",
        "EVENT_PLATFORM_START_DATE": "first day of the sample beside landing, or 2025-01-01",
        "EVENT_PLATFORM_DAYS_PER_RUN": "all",
    }
    assert {name: table[name].default for name in in_words} == in_words
    spelled_out = {name: row.default for name, row in table.items() if row.default != "none" and name not in in_words}
    assert load_environment(spelled_out) == load_environment({})


def test_the_time_zone_of_landing_is_one_of_the_database() -> None:
    """Checked when the platform starts; UTC where nothing is set."""
    variable = "EVENT_PLATFORM_LANDING_TIMEZONE"
    assert load_environment({variable: ""}).landing_timezone == "UTC"
    assert load_environment({variable: "Europe/Berlin"}).landing_timezone == "Europe/Berlin"
    for wrong in ("Mars/Olympus", "+02:00", "../etc/passwd", "/etc/localtime", "Europe"):
        with pytest.raises(SettingError, match=f"{variable}: .*is not a time zone of the IANA database"):
            load_environment({variable: wrong})

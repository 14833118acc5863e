"""`event-platform doctor`: a line each, what to do, an exit code, and never a secret or a traceback."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from event_platform.cli.main import main
from event_platform_tests.doctor.answering import answering
from event_platform_tests.support.s3 import ACCESS_KEY, SECRET_KEY, SESSION_TOKEN, put, use_s3
from event_platform_tests.support.world import MONDAY, World, event, ndjson

SECRETS = (ACCESS_KEY, SECRET_KEY, SESSION_TOKEN, "hooks-secret")


@pytest.fixture
def prod(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The environment prod, all of it on S3, with a secret in an address."""
    for name, value in {
        "ENV": "prod",
        "LANDING": "s3://no-such-bucket/landing",
        "LAKE": "s3://no-such-bucket/lake",
        "CATALOG": str(world.root / "catalog"),
        "START_DATE": "2025-06-01",
        "ALERT_URLS": "json://user:hooks-secret@127.0.0.1/",
    }.items():
        monkeypatch.setenv(f"EVENT_PLATFORM_{name}", value)
    return world


def examined(*arguments: str, code: int) -> str:
    """Return what the command prints, and expect an exit code, and no secret."""
    result = CliRunner().invoke(main, ["doctor", *arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    assert not [secret for secret in SECRETS if secret in result.output]
    return result.output


def lines(output: str) -> dict[str, str]:
    """Return the mark of each line, by its name."""
    return {line[2:18].strip(): line[0] for line in output.splitlines()[:-1]}


def test_an_installation_on_s3_that_is_well(prod: World, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line has its mark, and the command ends with 0."""
    put(bucket, "landing/2025/06/02/12/a", ndjson(event("u1")))
    for place in ("landing", "lake"):
        monkeypatch.setenv(f"EVENT_PLATFORM_{place.upper()}", f"s3://{bucket}/{place}")
    output = examined(code=0)
    assert output.splitlines()[-1] == "all is well"
    left_out = {name for name, mark in lines(output).items() if mark != "✓"}
    services = {"landing queue", "redeliveries", "glue database", "iceberg catalog", "dask"}
    assert left_out == {"dagster home", "postgres", *services}
    assert "arn:aws:sts" in output


def test_an_installation_that_may_do_nothing_is_told_all_of_it(prod: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thing that is wrong does not hide the others; as JSON, for programs."""
    with answering(403, "AccessDenied") as endpoint:
        use_s3(monkeypatch, endpoint)
        monkeypatch.setenv("EVENT_PLATFORM_START_DATE", "soon")
        monkeypatch.setenv("DAGSTER_HOME", str(prod.root / "nowhere"))
        message = json.loads(examined("--json", code=1))
    assert message["healthy"] is False
    wrong = [finding["name"] for finding in message["findings"] if finding["verdict"] == "bad"]
    expected = ["settings", "dagster home", "credentials", "landing", "lake", "read landing", "write lake"]
    assert wrong == [*expected, "conditional put"]
    assert all(finding["remedy"] for finding in message["findings"] if finding["verdict"] == "bad")


def test_a_laptop_is_told_what_is_missing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked of S3 there."""
    monkeypatch.setenv("EVENT_PLATFORM_LAKE", str(world.root / "lake"))
    monkeypatch.setenv("EVENT_PLATFORM_LANDING", str(world.root / "nowhere"))
    output = examined(code=1)
    assert lines(output)["landing"] == "✗"
    assert "credentials" not in lines(output)
    assert output.splitlines()[-1].startswith("1 of ")
    world.deliver(MONDAY, "a", event("u1"))
    monkeypatch.setenv("EVENT_PLATFORM_LANDING", str(world.root / "landing"))
    assert "all is well" in examined(code=0)
    assert not (world.root / "lake").exists()


def test_a_profile_that_is_not_there_is_told(prod: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Rather than raised."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    output = examined(code=1)
    assert "✗ credentials" in output
    assert "nobody" in output

"""A command imports only what it needs: it is started often, and people wait for it."""

import subprocess
import sys

from event_platform.defs.resources.s3 import S3LakeResource
from event_platform.pipeline.opening import open_lake
from event_platform_tests.support.command import variables
from event_platform_tests.support.s3 import put
from event_platform_tests.support.world import World, event, ndjson

#: Calls commands one after the other, and prints which of the libraries are imported after each.
CALLS = """
import sys
from event_platform.cli.main import main
for line in sys.argv[1:]:
    try:
        main(line.split(","), standalone_mode=False)
    except (Exception, SystemExit) as end:
        print(type(end).__name__, end)
    heavy = ("dagster", "pyarrow", "pyiceberg")
    print("#", line, *sorted({name.split(".")[0] for name in sys.modules if name.startswith(heavy)}))
"""
READING = ["status,--json", "query,select 1 one", "vacuum,--dry-run", "register", "doctor"]


def test_reading_a_lake_on_s3_takes_no_dagster(world: World, bucket: str) -> None:
    """Neither Dagster nor the base of its resources, which take two CPU seconds; only due work does."""
    put(bucket, "landing/2025/06/02/12/a", ndjson(event("u1")))
    here = {
        "EVENT_PLATFORM_LANDING": f"s3://{bucket}/landing",
        "EVENT_PLATFORM_LAKE": f"s3://{bucket}/lake",
        "EVENT_PLATFORM_GLUE_DATABASE": "nowhere",
        "EVENT_PLATFORM_ALERT_URLS": "json://127.0.0.1/",
    }
    called = subprocess.run(
        [sys.executable, "-c", CALLS, *READING, "run"],
        env={**variables(world), **here},
        check=True,
        capture_output=True,
        text=True,
    )
    output = [line for line in called.stdout.splitlines() if line.startswith("# ")]
    assert [line.removesuffix(" pyarrow") for line in output[:-1]] == [f"# {line}" for line in READING], called.stdout
    assert not output[0].endswith("pyarrow")  # a fifth of what `status` takes
    assert output[-1].startswith("# run dagster dagster_")
    assert '{"landed": ' in called.stdout  # they did what they do
    called = subprocess.run(
        [sys.executable, "-c", CALLS, "run"],
        env={**variables(world), **here},
        check=True,
        capture_output=True,
        text=True,
    )
    assert called.stdout.splitlines()[-1].removesuffix(" pyarrow") == "# run"  # nothing was due any more
    assert "balanced: nothing is lost" in called.stdout


def test_folders_take_no_boto3(world: World) -> None:
    """Neither that nor the settings of its clients nor dagster-aws, where nothing is on S3: all take long.

    Nor pyiceberg, where no Iceberg catalog is set.
    """
    code = (
        "import sys, event_platform.cli.materializing as m; from event_platform.environment import load_environment; "
        "from event_platform.events.catalog import load_catalog; environment = load_environment(); "
        "m.build_definitions(environment, load_catalog(environment.catalog)); print(*sys.modules)"
    )
    called = subprocess.run(
        [sys.executable, "-c", code], env=variables(world), check=True, capture_output=True, text=True
    )
    assert not {"boto3", "botocore.config", "dagster_aws", "pyiceberg"} & set(called.stdout.split())


def test_help_takes_click_and_nothing_else() -> None:
    """Its settings come from dataclasses: even pydantic-settings alone would take a quarter of a second."""
    call = "import sys; from event_platform.cli.main import main; main(['--help'], standalone_mode=False)"
    code = f"{call}; print(*sys.modules)"
    called = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    *_, modules = called.stdout.splitlines()
    heavy = {"dagster", "polars", "deltalake", "pyarrow", "boto3", "botocore", "pydantic", "rich", "yaml"}
    assert not heavy & set(modules.split())
    assert "EVENT_PLATFORM_START_DATE" in called.stdout


def test_payloads_take_no_pandas() -> None:
    """To convert values to Python, pyarrow would import it in each worker."""
    code = (
        "import sys; import polars as pl; from event_platform.environment import SAMPLE_CATALOG; "
        "from event_platform.events.catalog import load_catalog; "
        "from event_platform.events.payload import PayloadReader; catalog = load_catalog(SAMPLE_CATALOG); "
        "bodies = pl.Series(['{}']); "
        "rows = [PayloadReader(each, catalog.envelope).read(bodies).height for each in catalog.event_types]; "
        "print(sum(rows), 'pandas' in sys.modules)"
    )
    called = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert called.stdout.split() == ["100", "False"]


def test_the_lake_that_commands_open_is_that_of_the_resources(bucket: str) -> None:
    """With the same keys, region and endpoint; the resources' other options are the libraries' defaults."""
    uri = f"s3://{bucket}/lake"
    ours, theirs = (dict(lake.storage.options) for lake in (open_lake(uri), S3LakeResource(uri=uri).open()))
    assert (theirs.pop("provider"), theirs.pop("imdsv1_fallback")) == ("s3", "False")
    assert ours == theirs
    assert {"access_key_id", "secret_access_key", "region", "endpoint", "allow_http"} <= set(ours)

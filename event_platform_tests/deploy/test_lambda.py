"""The package of the filter by itself: unpacked where nothing but Lambda's runtime is installed, it works."""

import json
import os
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest

from event_platform_tests.stream.filter.firehose import NOW, delivered, invocation, make_table, record
from event_platform_tests.support.live import PROJECT
from event_platform_tests.support.s3 import REGION, s3_variables, use_s3

#: What the runtime has, by the names of its files: https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3")

ENVELOPE = "event_uuid: id\nevent_name: kind\ncreated_at: {field: at, unit: ms}\n"

#: Calls the handler with each line of the input. Prints the answers, and then the folders that modules came from.
CALLS = """
import json, sys
sys.path[:0] = sys.argv[1:3]
from event_platform.stream.filter.handler import handler
class Context:
    def get_remaining_time_in_millis(self):
        return 60_000
for line in sys.stdin:
    print(json.dumps(handler(json.loads(line), Context())))
print(json.dumps([module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)]))
"""


def package(libraries: Path, catalog: Path, target: Path) -> bytes:
    """Package as the Makefile does, and return the zip."""
    arguments: list[str | Path] = ["--libraries", libraries, "--catalog", catalog, target]
    subprocess.run([sys.executable, PROJECT / "deploy" / "lambda" / "package.py", *arguments], check=True)
    return target.read_bytes()


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, and beside it `runtime`. The package has this machine's msgspec."""
    folder = tmp_path_factory.mktemp("lambda")
    (folder / "catalog").mkdir()
    (folder / "catalog" / "envelope.yaml").write_text(ENVELOPE)
    for file in metadata.files("msgspec") or []:
        if ".." not in file.parts:
            (folder / "libraries" / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / "libraries" / file).write_bytes(file.read_binary())
    first = package(folder / "libraries", folder / "catalog", folder / "a.zip")
    assert package(folder / "libraries", folder / "catalog", folder / "b.zip") == first
    zipfile.ZipFile(folder / "a.zip").extractall(folder / "package")
    (folder / "runtime").mkdir()
    for name in RUNTIME:
        (folder / "runtime" / name).symlink_to(Path(boto3.__file__).parents[1] / name)
    return folder


def test_the_package_is_all_that_the_handler_needs(
    unpacked: Path, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the envelope of the catalog that it was made from; nothing else of what is installed here is imported."""
    use_s3(monkeypatch, s3_endpoint)
    queue = boto3.Session().client("sqs", REGION).create_queue(QueueName="dropped")["QueueUrl"]
    table = make_table(boto3.Session().client("dynamodb", REGION))
    body = json.dumps({"id": 7, "kind": "a", "at": NOW * 1000}).encode()
    calls = [invocation(record(number, body)) for number in (1, 2)]
    called = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CALLS, unpacked / "package", unpacked / "runtime"],
        input="\n".join(map(json.dumps, calls)),
        env={
            **s3_variables(s3_endpoint),
            "PATH": os.environ["PATH"],
            "EVENT_PLATFORM_SEEN_TABLE": table,
            "EVENT_PLATFORM_DEAD_LETTER_QUEUE": queue,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert called.returncode == 0, called.stderr
    answers: list[Any] = [json.loads(line) for line in called.stdout.splitlines() if '"_aws"' not in line]
    assert [delivered(*each) for each in zip(calls, answers[:2], strict=True)] == [[body], [None]]
    ours = {PROJECT, Path(msgspec.__file__).parents[1]}
    assert not [name for name in answers[2] if any(Path(name).is_relative_to(folder) for folder in ours)]


def test_the_package_is_small(unpacked: Path) -> None:
    """Half a megabyte at most: it is loaded at each cold start."""
    assert (unpacked / "a.zip").stat().st_size < 500_000

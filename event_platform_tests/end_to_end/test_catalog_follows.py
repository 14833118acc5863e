"""A catalog that is drafted from the first part of a real stream, and follows the changes of the other parts.

The streams are in a folder `shared/data` beside the project, and not part of it.
"""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from event_platform.events.catalog import load_catalog
from event_platform.events.columns import Column, typed
from event_platform_tests.end_to_end.test_real_streams import CLOUDTRAIL, GITHUB, STREAMS
from event_platform_tests.support.command import call, call_with, use, variables
from event_platform_tests.support.comparison import contents, rebuilt
from event_platform_tests.support.world import World

pytestmark = pytest.mark.skipif(not STREAMS.is_dir(), reason="the real streams are not beside the project")


@dataclass(frozen=True)
class Stream:
    """A stream and the expected results."""

    name: str
    envelope: dict[str, Any]
    days: list[date]
    objects_first: int  # of which the first catalog is drafted
    types_before: int
    types: int
    others: frozenset[str]  # names that are like a known one, and other events
    wider: frozenset[str]  # types that have columns which a catalog drafted from all has not


#: Policies of buckets have texts and lists of texts in one field of objects in an array. A draft of all has no column
#: for such an array; what is accepted has a variant in it.
CLOUDTRAIL_STREAM = Stream(
    "cloudtrail",
    CLOUDTRAIL,
    [date(2023, 7, 10)],
    objects_first=27,
    types_before=171,
    types=262,
    others=frozenset(
        {
            "ec2.amazonaws.com:DeregisterImage",
            "ec2.amazonaws.com:DescribeEgressOnlyInternetGateways",
            "ec2.amazonaws.com:DescribeInstanceStatus",
            "ec2.amazonaws.com:DescribeVolumeStatus",
            "ec2.amazonaws.com:DescribeVpnGateways",
            "iam.amazonaws.com:AttachUserPolicy",
            "iam.amazonaws.com:DetachUserPolicy",
            "iam.amazonaws.com:ListPolicyVersions",
            "iam.amazonaws.com:ListVirtualMFADevices",
            "s3.amazonaws.com:DeleteBucketPolicy",
        }
    ),
    wider=frozenset({"s3.amazonaws.com:PutBucketPolicy"}),
)
GITHUB_STREAM = Stream(
    "github",
    GITHUB,
    [date(2017, 7, 24) + timedelta(number) for number in range(5)],
    objects_first=24,
    types_before=13,
    types=16,
    others=frozenset(),
    wider=frozenset(),
)


def types(columns: tuple[Column, ...], path: str = "") -> dict[str, str]:
    """Return the type of each typed property by its path of keys."""
    found: dict[str, str] = {}
    for column in typed(columns):
        where = f"{path}{column.field}"
        found[where] = column.kind.value
        found |= types(column.fields, f"{where}.")
        if column.item is not None:
            found |= types((column.item,), f"{where}[].")
    return found


def catalog_types(folder: Path) -> dict[str, dict[str, str]]:
    """Return the types of all properties of a catalog by event name."""
    return {event_type.name: types(event_type.columns) for event_type in load_catalog(folder).event_types}


def land(stream: Stream, world: World, objects: Iterable[Path]) -> None:
    """Copy objects of a stream to the landing folder of a world."""
    for each in objects:
        target = world.root / "landing" / each.relative_to(STREAMS / stream.name / "landing")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(each, target)


@pytest.mark.parametrize("stream", [CLOUDTRAIL_STREAM, GITHUB_STREAM], ids=lambda stream: stream.name)
def test_it_becomes_the_catalog_that_is_drafted_from_all(
    stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one round every property has the same type, and each row equals that of a lake built with the last catalog.

    The only remaining differences are properties that every event of the first part had, and that are null in a few
    later events: a draft of all parts has them as null or not required.
    """
    world = World(tmp_path / "world", schemas={}, envelope=stream.envelope, start_date=stream.days[0])
    use(monkeypatch, world)
    objects = sorted(each for each in (STREAMS / stream.name / "landing").rglob("*") if each.is_file())
    land(stream, world, objects[: stream.objects_first])
    call_with(variables(world), "catalog", "draft")
    land(stream, world, objects)
    world.load(*stream.days)
    world.deduplicate(*stream.days)
    world.type(*stream.days)
    (world.root / "all").mkdir()
    (world.root / "all" / "envelope.yaml").write_text(yaml.safe_dump(stream.envelope), encoding="utf-8")
    call("catalog", "draft", str(world.root / "all"))
    before, expected = catalog_types(world.root / "catalog"), catalog_types(world.root / "all")
    assert (len(before), len(expected)) == (stream.types_before, stream.types)
    accepted = json.loads(call("catalog", "accept", "--json", code=0))
    judged = [each["path"] for each in accepted["remaining"] if each["finding"] == "like a known name"]
    assert set(judged) == stream.others
    if judged:
        call("catalog", "accept", *judged, "--new", code=0)
    after = catalog_types(world.root / "catalog")
    assert {name for name in expected if after[name] != expected[name]} == stream.wider
    assert all(expected[name].items() <= after[name].items() for name in expected)
    world.type(*stream.days)
    left = json.loads(call("catalog", "diff", "--json", code=1))["differences"]
    assert {(each["finding"], each["before"]) for each in left} == {("broken rule", "required")}
    alone = rebuilt(world, tmp_path / "alone", stream.days)
    assert contents(world.lake, world.catalog) == contents(alone.lake, alone.catalog)

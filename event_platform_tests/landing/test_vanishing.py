"""Objects that are deleted between the listing of landing and the reading."""

import os
from pathlib import Path

import pytest

from event_platform.landing.folder import FolderLanding
from event_platform.landing.omissions import Omissions
from event_platform.landing.sampling import sample
from event_platform_tests.support.world import MONDAY, World, event


def test_a_link_that_is_deleted_is_no_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """For example because a new link replaces it; a dangling link is a fault."""
    delivered = world.deliver(MONDAY, "a", event("u1"))
    resolve, omissions = os.path.realpath, Omissions()

    def delete_and_resolve(path: str) -> str:
        if Path(path).name == "gone":
            Path(path).unlink(missing_ok=True)
        return resolve(path)

    for name, target in (("gone", "a"), ("nowhere", "b")):
        delivered.with_name(name).symlink_to(target)
    monkeypatch.setattr("os.path.realpath", delete_and_resolve)
    assert [each.name for each in world.landing.list_objects([MONDAY], omissions)] == ["2025/06/02/12/a"]
    assert [*omissions.faults] == ["2025/06/02/12/nowhere"]


def test_a_sample_is_of_the_objects_that_stay(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """For example when a rule of the bucket deletes old objects."""
    deleted, _ = world.deliver(MONDAY, "a", event("u1")), world.deliver(MONDAY, "b", event("u2"))
    read = FolderLanding.read

    def late(landing: FolderLanding, name: str) -> bytes:
        deleted.unlink(missing_ok=True)
        return read(landing, name)

    monkeypatch.setattr(FolderLanding, "read", late)
    assert [each.landed_object.name for each in sample(world.landing, Omissions())] == ["2025/06/02/12/b"]

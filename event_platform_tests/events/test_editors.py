"""Editors at work in the folder of a catalog: what they put beside a file for a moment is no part of it."""

from pathlib import Path
from typing import Any

import pytest

from event_platform.events import catalog
from event_platform.events.documents import read_document
from event_platform.events.evolution.catalogs import read_catalog_files
from event_platform_tests.support.mending import FUNCTIONS, write_functions
from event_platform_tests.support.world import World


def test_the_lock_of_an_editor_is_no_file_of_the_catalog(world: World) -> None:
    """Emacs marks a file with unsaved changes by a link that leads nowhere."""
    write_functions(world, FUNCTIONS)
    before = world.catalog
    for path in list((world.root / "catalog").rglob("*.*")):
        path.with_name(f".#{path.name}").symlink_to("somebody@somewhere.1:1")
    assert world.catalog == before


def test_a_file_that_goes_after_it_was_read_is_read_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalog and its documents are those of one moment."""

    def read_and_move(path: Path) -> Any:
        document = read_document(path)
        path.rename(path.with_name(f"{path.name}~"))
        return document

    monkeypatch.setattr(catalog, "read_document", read_and_move)
    found = read_catalog_files(world.root / "catalog")
    assert found.documents.keys() == found.files.keys() == found.catalog.by_name.keys()

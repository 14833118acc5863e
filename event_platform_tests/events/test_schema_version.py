"""The version of a schema and the list of its changes."""

from pathlib import Path
from typing import Any

import pytest

from event_platform.events.catalog import load_catalog
from event_platform.events.errors import CatalogError
from event_platform.events.evolution.change import Impact
from event_platform.events.schema_version import SchemaVersion, version_fault, version_of
from event_platform_tests.support.world import write_catalog

CHANGE = {"version": "1-0-1", "date": "2025-06-01", "change": "p: added"}


@pytest.mark.parametrize(
    ("impact", "version"), [(Impact.COMPATIBLE, "2-1-4"), (Impact.BACKFILL, "2-2-0"), (Impact.BREAKING, "3-0-0")]
)
def test_the_class_of_a_change_says_which_number_rises(impact: Impact, version: str) -> None:
    """Those behind it begin again."""
    assert str(SchemaVersion(2, 1, 3).after(impact)) == version


def test_a_schema_without_a_version_has_the_first() -> None:
    """And none has a fault."""
    assert str(version_of({})) == "1-0-0"
    assert version_fault({}) is None
    assert version_fault({"x-version": "1-0-1", "x-changes": [CHANGE]}) is None


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({"x-version": "1.0.1"}, "x-version: expected model-revision-addition, such as 1-0-2, got '1.0.1'"),
        ({"x-version": "0-1-1"}, "x-version: expected model-revision-addition"),
        ({"x-version": 1}, "x-version: expected model-revision-addition"),
        ({"x-changes": {}}, "x-changes: expected a list"),
        ({"x-changes": ["added p"]}, "x-changes.0: expected {version: 1-0-2, date"),
        ({"x-changes": [CHANGE | {"date": "June"}]}, "x-changes.0: expected"),
        ({"x-changes": [CHANGE | {"by": "me"}]}, "x-changes.0: expected"),
        ({"x-changes": [CHANGE | {"version": "1-1-0"}, CHANGE], "x-version": "1-0-1"}, "versions that rise"),
        ({"x-changes": [CHANGE]}, "x-version: expected the version of the last change in x-changes, 1-0-1, got None"),
    ],
)
def test_what_is_no_version_is_a_fault_of_the_catalog(tmp_path: Path, document: dict[str, Any], fault: str) -> None:
    """With the key and what was expected."""
    folder = write_catalog(tmp_path, {"a": {"title": "a", "properties": {}, **document}})
    with pytest.raises(CatalogError) as raised:
        load_catalog(folder)
    assert fault in str(raised.value)

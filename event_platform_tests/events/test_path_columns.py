"""Keys in the paths of objects that become columns of the event tables."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from event_platform.events.catalog import load_catalog
from event_platform.events.draft import Draft
from event_platform.events.envelope import Envelope
from event_platform.events.envelope_file import load_envelope
from event_platform.events.errors import CatalogError
from event_platform.events.path_columns import path_columns
from event_platform_tests.support.world import MONDAY, SCHEMAS, World, event, ndjson, write_catalog


@pytest.mark.parametrize(
    ("name", "tenant"),
    [
        ("tenant=acme/2025/06/02/a", "acme"),
        ("2025/06/02/tenant=acme/a", "acme"),
        ("tenant=acme%20gmbh%2Fs+o%C3%A9/a", "acme gmbh/s+oé"),
        ("tenant=/a", ""),
        ("tenant=a=b/a", "a=b"),
        ("tenant=a/tenant=b/c", "a"),
        ("tenant=%ff/a", "%ff"),
        ("tenant=__HIVE_DEFAULT_PARTITION__/a", None),
        ("subtenant=acme/a", None),
        ("Tenant=acme/a", None),
        ("2025/06/02/tenant=acme", None),
        ("2025/06/02/a", None),
    ],
)
def test_a_key_is_read_as_hive_writes_it(name: str, tenant: str | None) -> None:
    """Decoded, from the first folder with the key; the name of the object itself does not count."""
    found = path_columns(pl.Series([name, "other", name]), ["tenant", "region"])
    assert found.schema == {"tenant": pl.String, "region": pl.String}
    assert found["tenant"].to_list() == [tenant, None, tenant]
    assert found["region"].null_count() == 3


def land(world: World, name: str, *uuids: str, **payload: Any) -> None:
    """Land an object."""
    path = world.root / "landing" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(ndjson(*(event(uuid, MONDAY, "lesson:started", **payload) for uuid in uuids)))


def test_the_event_tables_have_the_columns(tmp_path: Path) -> None:
    """Of the object that the event is from: of duplicates, of the one that arrived first."""
    world = World(tmp_path, envelope={"path_columns": ["tenant", "region"]})
    land(world, "region=eu/tenant=acme%20gmbh/2025/06/02/a", "u1", "u2")
    land(world, "tenant=other/2025/06/02/b", "u2", "u3")
    land(world, "2025/06/02/12/z", "u4")
    world.build(MONDAY)
    found = world.events("lesson_started").select("event_uuid", "tenant", "region").sort("event_uuid")
    assert found.rows() == [
        ("u1", "acme gmbh", "eu"),
        ("u2", "acme gmbh", "eu"),
        ("u3", "other", None),
        ("u4", None, None),
    ]
    land(world, "tenant=late/2025/06/02/y", "u5")
    world.build(MONDAY)
    assert world.events("lesson_started").sort("event_uuid")["tenant"].to_list()[-1] == "late"


def test_a_key_that_comes_later_is_filled_in_when_a_day_is_built_again(world: World) -> None:
    """As a property that comes later: one table never holds rows of two rules."""
    land(world, "tenant=acme/2025/06/02/a", "u1")
    world.build(MONDAY)
    assert "tenant" not in world.events("lesson_started").columns
    write_catalog(world.root / "catalog", SCHEMAS, {"path_columns": ["tenant"]})
    land(world, "tenant=acme/2025/06/02/b", "u2")
    world.build(MONDAY)
    assert world.events("lesson_started").sort("event_uuid")["tenant"].to_list() == ["acme", "acme"]


def test_an_envelope_without_the_key_has_the_text_that_it_always_had(tmp_path: Path) -> None:
    """Tables are rebuilt where it changes: an upgrade is no reason."""
    (tmp_path / "envelope.yaml").write_text("event_uuid: header.id\ncreated_at: {field: ts, unit: ms}\n")
    assert load_envelope(tmp_path / "envelope.yaml").definition == (
        "Envelope(event_uuid=('header', 'id'), event_name=(('event_name',),), created_at=('ts',), "
        "unit=<TimeUnit.MILLISECONDS: 'ms'>)"
    )
    assert Envelope(path_columns=("tenant",)).definition == (
        "Envelope(event_uuid=('event_uuid',), event_name=(('event_name',),), created_at=('created_at',), "
        "unit=<TimeUnit.SECONDS: 's'>, path_columns=('tenant',))"
    )


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ("tenant", "expected a list of keys such as"),
        ([1], "expected a list of keys such as"),
        (["a/b"], "expected a list of keys such as"),
        (["tenant-id"], "expected a list of keys such as"),
        (["source_object"], "the column name 'source_object' is taken"),
        (["Event_UUID"], "the column name 'event_uuid' is taken"),
        (["tenant", "Tenant"], "the column name 'tenant' is taken"),
    ],
)
def test_keys_that_cannot_be_columns_are_refused(tmp_path: Path, keys: Any, fault: str) -> None:
    """With the key of the file and what was expected."""
    (tmp_path / "envelope.yaml").write_text(yaml.safe_dump({"path_columns": keys}))
    with pytest.raises(CatalogError, match=f"envelope.yaml: path_columns: {fault}"):
        load_envelope(tmp_path / "envelope.yaml")


def test_a_payload_column_of_the_same_name_is_a_fault_and_a_draft_avoids_it(tmp_path: Path) -> None:
    """Case is ignored, as most readers of Delta do."""
    schema = {"type": "object", "properties": {"Tenant": {"type": "string"}}}
    write_catalog(tmp_path, {"lesson_started": {"title": "lesson:started", **schema}}, {"path_columns": ["tenant"]})
    with pytest.raises(CatalogError, match=r"properties.Tenant: the column name 'Tenant' is taken"):
        load_catalog(tmp_path)
    draft = Draft(load_envelope(tmp_path / "envelope.yaml"))
    draft.add(["lesson:started"], ['{"tenant":"x"}'])
    write_catalog(tmp_path, {"lesson_started": draft.schemas()["lesson:started"]}, {"path_columns": ["tenant"]})
    (event_type,) = load_catalog(tmp_path).event_types
    assert [column.field for column in event_type.columns] == ["tenant"]
    assert event_type.schema.names()[-3] == "tenant"
    assert event_type.columns[0].name != "tenant"

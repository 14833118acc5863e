"""The registry of tables: what is defined of each is whole."""

import pytest

from event_platform.lake.registry import FILTERED_EVENTS, PLATFORM_TABLES, event_table_spec
from event_platform.lake.specs import TableSpec
from event_platform_tests.support.world import World

SPECS = [pytest.param(spec, id=spec.name) for spec in (*PLATFORM_TABLES, FILTERED_EVENTS)]


@pytest.mark.parametrize("spec", SPECS)
def test_every_column_has_a_comment_and_a_name_of_its_own(spec: TableSpec) -> None:
    """It is shown in Dagster, and in every catalog that knows Delta."""
    assert [column.name for column in spec.columns if not column.comment] == []
    assert len(spec.schema) == len(spec.columns)
    assert spec.description


@pytest.mark.parametrize("spec", SPECS)
def test_keys_and_partitions_are_columns(spec: TableSpec) -> None:
    """A partition is never null."""
    columns = {column.name: column for column in spec.columns}
    assert {*spec.primary_key, *spec.partition_by} <= columns.keys()
    assert [columns[name].nullable for name in spec.partition_by] == [False]


def test_columns_that_are_shared_have_one_type(world: World) -> None:
    """A value is copied from table to table as it is."""
    specs = [*PLATFORM_TABLES, FILTERED_EVENTS, *map(event_table_spec, world.catalog.event_types)]
    shared = {column.name: column.type for column in PLATFORM_TABLES[0].columns}
    for spec in specs:
        assert {name: dtype for name, dtype in spec.schema.items() if name in shared and dtype != shared[name]} == {}

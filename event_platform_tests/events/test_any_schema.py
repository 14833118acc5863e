"""Any schema is loaded, or refused with lines that name its faults."""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from deltalake import Schema
from hypothesis import given, settings
from hypothesis import strategies as st

from event_platform.defs.assets.typed_events import build_typed_events
from event_platform.defs.partitions import ONE_RUN, daily_partitions
from event_platform.defs.resources.platform import RulesResource
from event_platform.events.catalog import Catalog, load_catalog
from event_platform.events.errors import CatalogError
from event_platform.events.payload import PayloadReader
from event_platform.lake.lake import Lake
from event_platform.lake.schemas import to_delta
from event_platform.storage.storage import Storage
from event_platform_tests.support.conforming import check_rows
from event_platform_tests.support.world import write_catalog

#: Keys and definitions, sensible and not.
FIELDS = st.sampled_from(
    ["a", "A", "b", "body", "@t", "id.x", "a\nb", "\u2028", "", "on", "1", "é", "$ref", "__class__"]
)
VALUES = st.sampled_from(
    [
        None,
        True,
        1,
        -1.5,
        2**70,
        2**200,
        [2**70],
        [10**400],
        "",
        "(",
        "string",
        "x\ny",
        [],
        ["a"],
        {},
        {"type": "string"},
    ]
)
DEFINITIONS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([{}, True, {"type": "string"}, {"type": "integer"}, {"type": ["number", "null"]}]),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        st.fixed_dictionaries({"type": st.just("object"), "properties": st.dictionaries(FIELDS, inner, max_size=3)}),
        st.builds(
            lambda below, key, value: {**(below if isinstance(below, dict) else {}), key: value},
            inner,
            st.sampled_from(
                ["type", "format", "enum", "pattern", "minimum", "maximum", "x-column", "items", "$ref", "required"]
            ),
            VALUES,
        ),
    ),
    max_leaves=6,
)


def make_of(catalog: Catalog) -> None:
    """Make of each event type everything that a run makes: its table, its reader, its checks and its asset."""
    lake = Lake(Storage("lake"))
    for event_type in catalog.event_types:
        table = lake.event_table(event_type)
        Schema.from_json(to_delta(table.schema, table.spec.comments).to_json())
        PayloadReader(event_type, catalog.envelope).read(pl.Series(['{"a": 1}', "{}"]))
        rows = pl.LazyFrame(schema=event_type.schema)
        assert check_rows(event_type, rows).passed
    build_typed_events(lake, catalog, RulesResource(), daily_partitions(date(2025, 1, 1)), ONE_RUN)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(FIELDS, DEFINITIONS, max_size=4))
def test_any_schema_loads_or_is_refused_line_by_line(properties: dict[str, Any]) -> None:
    """The only errors of a load are lines that name the file."""
    with TemporaryDirectory() as folder:
        write_catalog(Path(folder), {"a": {"title": "a", "type": "object", "properties": properties}})
        lines = []
        try:
            catalog = load_catalog(Path(folder))
            assert pl.DataFrame(schema=catalog.event_types[0].schema).columns[-1] == "_rescued"
            make_of(catalog)
        except CatalogError as error:
            lines = str(error).splitlines()
        assert all(line.startswith(f"{folder}/a.yaml: properties") for line in lines)

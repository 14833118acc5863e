"""The catalog: what it says of an event type, and one clear line for each fault, naming file and key."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from event_platform.environment import SAMPLE_CATALOG
from event_platform.events.catalog import load_catalog
from event_platform.events.columns import Kind
from event_platform.events.envelope import Envelope, TimeUnit
from event_platform.events.errors import CatalogError
from event_platform_tests.world import SCHEMAS, write_catalog


def schema(title: str = "lesson:started", /, **properties: Any) -> dict[str, Any]:
    """Return a schema with these properties."""
    return {"title": title, "type": "object", "properties": properties}


def faults(folder: Path, **files: Any) -> list[str]:
    """Write a catalog of these files and return the lines of its error, without the folder."""
    write_catalog(
        folder, {name: content for name, content in files.items() if name != "envelope"}, files.get("envelope")
    )
    with pytest.raises(CatalogError) as failure:
        load_catalog(folder)
    return [line.replace(f"{folder}/", "") for line in str(failure.value).splitlines()]


def test_an_event_type_has_a_name_a_key_and_typed_columns(tmp_path: Path) -> None:
    """Known without a type, a property has no column."""
    catalog = load_catalog(write_catalog(tmp_path, SCHEMAS))
    lesson = catalog.by_key["lesson_started"]
    assert lesson.name == "lesson:started"
    assert catalog.names == {"lesson:started", "account:created", "payment:order:completed"}
    assert lesson.schema["answers"] == pl.List(pl.Struct({"id": pl.Int64, "right": pl.Boolean}))
    assert lesson.schema["due"] == pl.Datetime("us", "UTC")
    assert "anything" not in lesson.schema
    assert list(lesson.schema)[:3] + list(lesson.schema)[-1:] == ["event_uuid", "event_name", "created_at", "_rescued"]


@pytest.mark.parametrize(
    ("definition", "kind"),
    [
        ({"type": "string"}, Kind.STRING),
        ({"type": ["string", "null"]}, Kind.STRING),
        ({"type": "integer"}, Kind.INTEGER),
        ({"type": ["integer", "number"]}, Kind.NUMBER),
        ({"type": "boolean"}, Kind.BOOLEAN),
        ({"type": "string", "format": "date-time"}, Kind.DATE_TIME),
        ({"type": "string", "format": "date"}, Kind.DATE),
        ({"type": "string", "format": "email"}, Kind.STRING),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, Kind.OBJECT),
        ({"type": "object"}, Kind.UNTYPED),
        ({"type": "array", "items": {"type": "string"}}, Kind.ARRAY),
        ({"type": "array"}, Kind.UNTYPED),
        ({"type": "array", "items": {}}, Kind.UNTYPED),
        ({"type": ["string", "integer"]}, Kind.UNTYPED),
        ({"type": "null"}, Kind.UNTYPED),
        ({}, Kind.UNTYPED),
        (True, Kind.UNTYPED),
    ],
)
def test_a_definition_becomes_a_kind_of_column(tmp_path: Path, definition: Any, kind: Kind) -> None:
    """What no one type can hold has no column: its values live in `_rescued`."""
    (event_type,) = load_catalog(write_catalog(tmp_path, {"a": schema(field=definition)})).event_types
    assert event_type.columns[0].kind is kind


def test_a_schema_may_be_json(tmp_path: Path) -> None:
    """Or YAML, with either ending."""
    (tmp_path / "a.json").write_text('{"title": "a", "properties": {}}', encoding="utf-8")
    (tmp_path / "b.yml").write_text("{title: b, properties: {}}", encoding="utf-8")
    (tmp_path / "README.md").write_text("not a schema", encoding="utf-8")
    assert load_catalog(tmp_path).names == {"a", "b"}


@pytest.mark.parametrize(
    ("files", "line"),
    [
        pytest.param({"a": {"title": 7}}, 'a.yaml: title: 7 is not of type "string"', id="title no text"),
        pytest.param(
            {"a": {"properties": {}}},
            "a.yaml: title: expected the event's name, such as lesson:started, got None",
            id="no title",
        ),
        pytest.param(
            {"a": schema("../x")},
            "a.yaml: title: expected the event's name, such as lesson:started, got '../x'",
            id="a path",
        ),
        pytest.param(
            {"a": {"title": "a", "type": "array"}}, "a.yaml: type: an event is an object, got 'array'", id="no object"
        ),
        pytest.param({"a": schema(level={"type": "int"})}, "a.yaml: properties.level.type: ", id="unknown type"),
        pytest.param(
            {"a": schema(level={"minimum": "1"})},
            'a.yaml: properties.level.minimum: "1" is not of type "number"',
            id="broken schema",
        ),
        pytest.param(
            {"a": {"title": "a", "properties": []}},
            'a.yaml: properties: [] is not of type "object"',
            id="properties a list",
        ),
        pytest.param(
            {"a": schema(user={"$ref": "#/x"})},
            "a.yaml: properties.user: $ref is not supported; write the type here",
            id="reference",
        ),
        pytest.param(
            {"a": schema("a", **{"@timestamp": {"type": "string"}})},
            "a.yaml: properties.@timestamp: '@timestamp' is no column name (letters, digits and _); give it ",
            id="no identifier",
        ),
        pytest.param(
            {"a": schema("a", **{"id.orig_h": {"type": "string"}})},
            "a.yaml: properties.id.orig_h: 'id.orig_h' is no column name",
            id="a dot",
        ),
        pytest.param(
            {"a": schema("a", **{"a\0b": {"type": "string", "x-column": "ab"}})},
            r"a.yaml: properties.'a\x00b': a key that JSON has to escape has no column; leave out its type",
            id="a NUL",
        ),
        pytest.param(
            {"a": schema(Tag={"type": "string"}, tag={"type": "string"})},
            "a.yaml: properties.tag: the column name 'tag' is taken (case is ignored); give it",
            id="case",
        ),
        pytest.param(
            {"a": schema(body={"type": "string"})},
            "a.yaml: properties.body: the column name 'body' is taken",
            id="reserved",
        ),
        pytest.param(
            {"a": schema(Event_Type={"type": "string"})},
            "a.yaml: properties.Event_Type: the column name 'Event_Type' is taken",
            id="reserved but for case",
        ),
        pytest.param(
            {"a": schema(device={"type": "object", "properties": {"a.b": {"type": "string"}}})},
            "a.yaml: properties.device.properties.a.b: 'a.b' is no column name",
            id="nested",
        ),
        pytest.param(
            {"a": schema(x={"type": "string", "x-column": "y z"})},
            "a.yaml: properties.x: 'y z' is no column name",
            id="bad x-column",
        ),
        pytest.param(
            {"a": schema("a:b"), "b": schema("a_b")},
            "b.yaml: title: 'a_b' has the same table as 'a:b' (a_b); rename one or drop a file",
            id="two names, one key",
        ),
        pytest.param(
            {"a": schema("A"), "b": schema("a")},
            "b.yaml: title: 'a' has the same table as 'A' (a); rename one or drop a file",
            id="two names but for case",
        ),
        pytest.param(
            {"a": ["x"]}, "a.yaml: expected a JSON Schema: an object with title, type and properties", id="a list"
        ),
        pytest.param(
            {"envelope": {"uuid": "x"}},
            "envelope.yaml: uuid: unknown key; expected event_uuid, event_name, created_at",
            id="envelope: unknown key",
        ),
        pytest.param(
            {"envelope": {"event_uuid": ""}},
            "envelope.yaml: event_uuid: expected a field such as event_uuid or header.id, got ''",
            id="envelope: empty field",
        ),
        pytest.param(
            {"envelope": {"created_at": {"field": "at", "unit": "h"}}},
            "envelope.yaml: created_at.unit: 'h' is not one of s, ms, us, iso8601",
            id="envelope: unknown unit",
        ),
        pytest.param(
            {"envelope": {"created_at": ["at"]}},
            "envelope.yaml: created_at: expected {field: …, unit: s | ms | us | iso8601}",
            id="envelope: no field",
        ),
    ],
)
def test_a_fault_is_one_line_that_names_file_and_key(tmp_path: Path, files: dict[str, Any], line: str) -> None:
    """And says what was expected."""
    (found,) = faults(tmp_path, **files)
    assert found.startswith(line)


def test_every_fault_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    """So that nobody mends them one by one."""
    (tmp_path / "c.yaml").write_text("title: [", encoding="utf-8")
    (tmp_path / "d.json").write_bytes(b"\xff")
    lines = faults(tmp_path, a=schema("a", x={"type": "int"}, y={"type": "float"}), b=schema("::"))
    assert [line.split(": ")[0] for line in lines] == ["a.yaml", "a.yaml", "b.yaml", "c.yaml", "d.json"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """With the variable that says where it is."""
    with pytest.raises(CatalogError, match=r"nowhere: no such folder; set EVENT_PLATFORM_CATALOG"):
        load_catalog(tmp_path / "nowhere")


def test_x_column_gives_an_odd_key_a_column(tmp_path: Path) -> None:
    """A reserved name, an odd one and one that differs only in case."""
    given = {"@timestamp": "timestamp", "body": "body_text", "Tag": "tag_upper", "tag": "tag"}
    definitions = {field: {"type": "string", "x-column": name} for field, name in given.items()}
    (event_type,) = load_catalog(write_catalog(tmp_path, {"a": schema("a", **definitions)})).event_types
    assert {column.field: column.name for column in event_type.columns} == given


def test_fields_of_the_envelope_are_no_payload_unless_they_ask_for_a_column(tmp_path: Path) -> None:
    """The event columns hold them already."""
    properties = {"id": {"type": "string"}, "at": {"type": "string", "x-column": "at_text"}, "name": {"type": "string"}}
    envelope = {"event_uuid": "id", "event_name": "name", "created_at": {"field": "at", "unit": "iso8601"}}
    (event_type,) = load_catalog(write_catalog(tmp_path, {"a": schema("a", **properties)}, envelope)).event_types
    assert [column.name for column in event_type.columns] == ["at_text"]


def test_an_envelope_says_where_the_common_fields_are(tmp_path: Path) -> None:
    """A dot goes into an object, several names are joined."""
    written = {
        "event_uuid": "header.id",
        "event_name": ["type", "payload.action"],
        "created_at": {"field": "t", "unit": "ms"},
    }
    assert load_catalog(write_catalog(tmp_path, {}, written)).envelope == Envelope(
        ("header", "id"), (("type",), ("payload", "action")), ("t",), TimeUnit.MILLISECONDS
    )


def test_without_an_envelope_the_default_one_holds(tmp_path: Path) -> None:
    """The fields of the design, and Unix seconds."""
    assert load_catalog(write_catalog(tmp_path, {})).envelope == Envelope()


def test_the_sample_catalog_has_a_hundred_types_without_a_fault() -> None:
    """Each with a description and an owner."""
    catalog = load_catalog(SAMPLE_CATALOG)
    assert len(catalog.event_types) == 100
    assert all(event_type.description and event_type.owner for event_type in catalog.event_types)

"""The catalog: what it says of an event type, and one clear line for each fault, naming file and key."""

import hashlib
import json
import re
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import polars as pl
import pytest
from deltalake import Schema
from hypothesis import given, settings
from hypothesis import strategies as st

from event_platform.defs.assets.typed_events import build_typed_events
from event_platform.defs.partitions import ONE_RUN, daily_partitions
from event_platform.defs.resources.platform import RulesResource
from event_platform.environment import SAMPLE_CATALOG
from event_platform.events.catalog import Catalog, key_of, load_catalog
from event_platform.events.corruption import is_name
from event_platform.events.errors import CatalogError
from event_platform.events.payload import PayloadReader
from event_platform.lake.lake import Lake
from event_platform.lake.names import checked_name
from event_platform.lake.schemas import to_delta
from event_platform.storage.storage import Storage
from event_platform_tests.support.conforming import check_rows
from event_platform_tests.support.world import MONDAY, SCHEMAS, World, event, write_catalog

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


STRING, OBJECT = {"type": "string"}, {"type": "object"}
HUNDRED = {**OBJECT, "properties": {f"c{number}": STRING for number in range(99)}}


def nested(depth: int, leaf: dict[str, Any]) -> dict[str, Any]:
    """Return the definition of objects and arrays within each other."""
    for level in range(depth):
        leaf = {**OBJECT, "properties": {"a": leaf}} if level % 2 else {"type": "array", "items": leaf}
    return leaf


def schema(title: str = "lesson:started", /, **properties: Any) -> dict[str, Any]:
    """Return a schema with these properties."""
    return {"title": title, "type": "object", "properties": properties}


def make_of(catalog: Catalog) -> None:
    """Make of each event type what a run makes of it: its table, its reader, its check and its asset."""
    lake = Lake(Storage("lake"))
    for event_type in catalog.event_types:
        table = lake.event_table(event_type)
        Schema.from_json(to_delta(table.schema, table.spec.comments).to_json())
        PayloadReader(event_type, catalog.envelope).read(pl.Series(['{"a": 1}', "{}"]))
        rows = pl.LazyFrame(schema=event_type.schema)
        assert check_rows(event_type, rows).passed
    build_typed_events(lake, catalog, RulesResource(), daily_partitions(date(2025, 1, 1)), ONE_RUN)


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
            {"a": schema("x\ny")},
            "a.yaml: title: expected the event's name, such as lesson:started, got 'x\\ny'",
            id="a name that cannot be printed",
        ),
        pytest.param(
            {"a": {"title": "a", "type": "array"}}, "a.yaml: type: an event is an object, got 'array'", id="no object"
        ),
        pytest.param(
            {"a": schema(level={"type": "int"})},
            "a.yaml: properties.level.type: expected one or several of array, boolean, integer, null, number, object, "
            "string, got 'int'",
            id="unknown type",
        ),
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
            "a.yaml: properties.@timestamp: '@timestamp' is not a column name (letters, digits and _); give it ",
            id="no identifier",
        ),
        pytest.param(
            {"a": schema("a", **{"a\0b": {"type": "string", "x-column": "ab"}})},
            r"a.yaml: properties.'a\x00b': a key that JSON has to escape has no column; leave out its type",
            id="a NUL",
        ),
        pytest.param(
            {"a": schema(body={"type": "string"})},
            "a.yaml: properties.body: the column name 'body' is taken",
            id="reserved",
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
            {"a": {"title": "a", "$ref": "#/x"}},
            "a.yaml: $ref: not supported; write the properties",
            id="a whole reference",
        ),
        pytest.param(
            {"a": {"title": "a", "x-owner": "team"}},
            "a.yaml: x-owner: expected a mail address, or a team such as team:growth, got 'team'",
            id="no owner",
        ),
        pytest.param(
            {"a": {"title": "a", "x-owner": ["team:x"]}}, "a.yaml: x-owner: expected a mail address", id="owners"
        ),
        pytest.param(
            {"a": {"title": "a", "x-group": "in-app"}},
            "a.yaml: x-group: expected a name of letters, digits and _, such as payments, got 'in-app'",
            id="no group",
        ),
        pytest.param({"a": {"title": "a", "x-group": ["x"]}}, "a.yaml: x-group: expected a name", id="groups"),
        *(
            pytest.param(
                {"a": {"title": "a", "x-freshness": value}},
                "a.yaml: x-freshness: expected hours of which the second are more, such as {warn_hours: 6, fail_hours: "
                f"24}}, got {value!r}",
                id=f"freshness {value}",
            )
            for value in (6, {"warn_hours": 6}, {"warn_hours": 6, "fail_hours": 6}, {"warn_hours": 0, "fail_hours": 6})
        ),
        *(
            pytest.param(
                {"a": {"title": "a", "x-volume": value}},
                "a.yaml: x-volume: expected {deviations: 6}, the standard deviations that warn, or false, got "
                f"{value!r}",
                id=f"volume {value}",
            )
            for value in (True, 6, {"deviations": True}, {"deviations": 1e9}, {"deviations": 6, "minimum": 1})
        ),
        pytest.param(
            {"a": schema("a", x={"type": "integer", "enum": [1, 2**63]})},
            "a.yaml: properties.x.enum: 9.223e+18 is more than a column holds",
            id="an integer that no column holds",
        ),
        pytest.param(
            {"a": schema("a", x={"type": "number", "enum": [10**400]})},
            "a.yaml: properties.x.enum: 1.000e+400 is more than a column holds",
            id="a number that no column holds",
        ),
        pytest.param(
            {"a": schema("a", x={"type": "number", "maximum": -(2**128)})},
            "a.yaml: properties.x.maximum: -3.403e+38 is more than a column can be compared with",
            id="a limit beyond all",
        ),
        pytest.param(
            {"a": schema("a", x={"type": "string", "pattern": "(a{1000}){1000}"})},
            "a.yaml: properties.x.pattern: '(a{1000}){1000}' cannot be checked",
            id="a pattern that is too large",
        ),
        pytest.param(
            {"a": schema("a", x={"type": "object", "properties": {"Tag": STRING, "tag": STRING}})},
            "a.yaml: properties.x.properties.tag: the column name 'tag' is taken (case is ignored); give it another",
            id="case, in an object",
        ),
        pytest.param(
            {"a": schema("a", x={"type": "array", "items": {**OBJECT, "properties": {"T": STRING, "t": STRING}}})},
            "a.yaml: properties.x.items.properties.t: the column name 't' is taken (case is ignored); give it another",
            id="case, in a list",
        ),
        pytest.param(
            {"a": schema("a", x=nested(33, STRING))},
            "a.yaml: properties.x: nested more than 32 objects and arrays deep; leave out the type of what is",
            id="too deep",
        ),
        pytest.param(
            {"a": schema("a", **{f"o{number}": HUNDRED for number in range(101)})},
            "a.yaml: properties: 10,100 columns, nested ones included; expected up to 10,000",
            id="too many",
        ),
        pytest.param(
            {"envelope": {"uuid": "x"}},
            "envelope.yaml: uuid: unknown key; expected event_uuid, event_name, created_at",
            id="envelope: unknown key",
        ),
    ],
)
def test_a_fault_is_one_line_that_names_file_and_key(tmp_path: Path, files: dict[str, Any], line: str) -> None:
    """And says what was expected."""
    (found,) = faults(tmp_path, **files)
    assert found.startswith(line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("title: [", "cannot be read: while parsing a flow node"),
        ("", "expected a JSON Schema: an object with title, type and properties"),
        ("title: a\n---\ntitle: b", "cannot be read: expected a single document"),
        ("title: !!python/name:os.system", "cannot be read: could not determine a constructor"),
        ("&all {title: a, properties: *all}", "cannot be read: maximum recursion depth exceeded"),
        (
            "{title: a, properties: {on: {type: string}}}",
            "properties.True: YAML does not take this key for a text; put",
        ),
        (
            "{title: a, properties: {7: {type: string}}}",
            "properties.7: YAML does not take this key for a text; put it in",
        ),
        (
            "{title: a, properties: {day: {type: string, enum: [2025-06-02]}}}",
            "properties.day.enum.0: YAML does not take '2025-06-02' for a text; put it in quotes",
        ),
    ],
)
def test_yaml_that_is_no_json_schema_is_one_line_too(tmp_path: Path, text: str, line: str) -> None:
    """YAML has truth values, dates, references and code where JSON has texts: none of them passes unseen."""
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    (found,) = faults(tmp_path)
    assert found.startswith(f"a.yaml: {line}")


def test_a_folder_with_the_name_of_a_schema_is_a_fault(tmp_path: Path) -> None:
    """Whatever cannot be read is named."""
    (tmp_path / "a.yaml").mkdir()
    (tmp_path / "envelope.yaml").mkdir()
    assert [line.split(": ")[0] for line in faults(tmp_path)] == ["envelope.yaml", "a.yaml"]


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(FIELDS, DEFINITIONS, max_size=4))
def test_any_schema_loads_or_is_refused_line_by_line(properties: dict[str, Any]) -> None:
    """No schema stops the load with anything but lines that name its file."""
    with TemporaryDirectory() as folder:
        write_catalog(Path(folder), {"a": schema(**properties)})
        lines = []
        try:
            catalog = load_catalog(Path(folder))
            assert pl.DataFrame(schema=catalog.event_types[0].schema).columns[-1] == "_rescued"
            make_of(catalog)
        except CatalogError as error:
            lines = str(error).splitlines()
        assert all(line.startswith(f"{folder}/a.yaml: properties") for line in lines)


def test_names_that_differ_only_in_signs_or_case_have_one_key(tmp_path: Path) -> None:
    """Each is told of each that came before, in the order of the files."""
    lines = faults(tmp_path, a=schema("lesson:started"), b=schema("lesson.started"), c=schema("Lesson started"))
    assert [line.split("; ")[0] for line in lines] == [
        "b.yaml: title: 'lesson.started' has the same table as 'lesson:started' (lesson_started)",
        "c.yaml: title: 'Lesson started' has the same table as 'lesson:started' (Lesson_started)",
        "c.yaml: title: 'Lesson started' has the same table as 'lesson.started' (Lesson_started)",
    ]


def test_every_fault_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    """So that nobody mends them one by one."""
    (tmp_path / "c.yaml").write_text("title: [", encoding="utf-8")
    (tmp_path / "d.json").write_bytes(b"\xff")
    broken = schema("a", x={"type": "int"}, y={"type": "float"})
    lines = faults(tmp_path, a=broken, b=schema("a\0"), envelope={"uuid": "id"})
    files = [line.split(": ")[0] for line in lines]
    assert files == ["envelope.yaml", "a.yaml", "a.yaml", "b.yaml", "c.yaml", "d.json"]


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


@pytest.mark.parametrize(
    ("definition", "fault"),
    [
        ({"description": "\ud800"}, r"description: '\ud800'"),
        ({"x-owner": "team:\ud800"}, r"x-owner: 'team:\ud800'"),
        ({"properties": {"x": {"type": "integer", "description": "a\udfff"}}}, r"properties.x.description: 'a\udfff'"),
        ({"properties": {"x": {"type": "string", "enum": ["\ud800"]}}}, r"properties.x.enum.0: '\ud800'"),
        ({"properties": {"x\ud800": {}}}, r"properties.'x\ud800'"),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.yaml"])
def test_half_a_character_is_a_fault(tmp_path: Path, definition: dict[str, Any], fault: str, name: str) -> None:
    """No table holds it, and no log. YAML's parser in C refuses it by itself."""
    (tmp_path / name).write_text(json.dumps({"title": "a", **definition}), encoding="utf-8")
    (line,) = faults(tmp_path)
    if name == "a.json":
        assert line == f"a.json: {fault}: half of a surrogate pair is no character"
    else:
        assert line.startswith("a.yaml: ")


@pytest.mark.parametrize(
    "owner",
    [
        *("a.b+c%d@e-f.co.uk", "@b.de", "a@.de", "a b@c.de", "a@b.d|", "team:\n", "a@b.de,c@d.de", "x"),
        "team:growth",
        "team:",
        "team",
        "Team:x",
        "team:a b\n",
        "a@b.de",
        "a@b",
        "a@b.abcdefgh",
        " a@b.de",
        "a@b.de\n",
        "é@b.de",
    ],
)
def test_an_owner_is_one_for_whom_dagster_takes_it(tmp_path: Path, owner: str) -> None:
    """One schema must not stop the code location."""
    write_catalog(tmp_path, {"a": {"title": "a", "x-owner": owner}})
    try:
        dg.AssetSpec("a", owners=[owner])
    except dg.DagsterInvalidDefinitionError:
        (fault,) = faults(tmp_path)
        assert fault.startswith("a.yaml: x-owner: expected a mail address, or a team such as team:growth, got ")
    else:
        assert load_catalog(tmp_path).event_types[0].owner == owner


def test_what_is_as_deep_as_can_be_is_a_table(world: World) -> None:
    """Written and read; deeper, and Delta's log could not be read any more."""
    payload: Any = "x"
    for level in range(32):
        payload = {"a": payload} if level % 2 else [payload]
    write_catalog(world.root / "catalog", {"deep": schema("deep", x=nested(32, STRING))})
    world.deliver(MONDAY, "a", event("1", name="deep", x=payload))
    world.build(MONDAY)
    (row,) = world.events("deep").to_dicts()
    assert (row["x"], row["_rescued"]) == (payload, None)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("lesson:started", "lesson_started"),
        ("a..:b - c", "a_b_c"),
        ("_", "event_"),
        ("_x:y", "event_x_y"),
        ("_delta_log", "event_delta_log"),
        ("$pageview", "event_pageview"),
        ("Order Completed", "Order_Completed"),
        ("购买", "GouMai"),
        (":", "event_"),
        ("größe:geändert", "grosse_geandert"),
        ("a" * 200, "a" * 200),
        ("a" * 201, f"{'a' * 183}_{hashlib.sha256(b'a' * 201).hexdigest()[:16]}"),
        (f"{'a' * 100}:{'b' * 155}", f"{'a' * 100}_{'b' * 82}_"),
    ],
)
def test_the_key_of_a_name_is_a_folder_everywhere(name: str, key: str) -> None:
    """Not too long, and none that readers of tables leave out or take for their own."""
    assert key_of(name).startswith(key)
    assert len(key_of(name)) <= 200


def test_long_names_that_begin_alike_have_keys_of_their_own() -> None:
    """The same at every time."""
    keys = {key_of("a" * 255 + end) for end in "bcd"}
    assert len(keys) == 3
    assert key_of("a" * 256) == f"{'a' * 183}_02d7160d77e18c64"


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1, max_size=200).filter(is_name))
def test_every_name_that_a_record_may_have_has_a_table(name: str) -> None:
    """Whatever classification takes as sound can be in the catalog, and its table be opened by its name."""
    with TemporaryDirectory() as folder:
        (event_type,) = load_catalog(write_catalog(Path(folder), {"a": schema(name)})).event_types
    assert checked_name(f"events/{event_type.key}")
    assert len(f"{event_type.key}.yaml") <= 255


def test_the_sample_catalog_has_a_hundred_types_without_a_fault() -> None:
    """Each with a description and an owner."""
    catalog = load_catalog(SAMPLE_CATALOG)
    assert len(catalog.event_types) == 100
    assert all(event_type.description and event_type.owner for event_type in catalog.event_types)


def test_the_group_of_an_event_type_is_the_first_part_of_its_name_unless_its_schema_says_another(
    tmp_path: Path,
) -> None:
    """With `_` for the characters that a group cannot have."""
    titles = {"a": "payment:order:completed", "b": "in-app:shown", "c": "ping"}
    write_catalog(tmp_path, {stem: {"title": title} for stem, title in titles.items()})
    write_catalog(tmp_path, {"d": {"title": "payment:refund", "x-group": "finance"}})
    groups = {event_type.name: event_type.group for event_type in load_catalog(tmp_path).event_types}
    assert groups == {
        "payment:order:completed": "payment",
        "in-app:shown": "in_app",
        "ping": "ping",
        "payment:refund": "finance",
    }


@pytest.mark.parametrize("name", [":started", "::", "购买:x", "?"])
def test_a_group_is_never_empty(tmp_path: Path, name: str) -> None:
    """Where the first part of a name is."""
    (event_type,) = load_catalog(write_catalog(tmp_path, {"a": {"title": name}})).event_types
    assert re.fullmatch(r"[A-Za-z0-9_]+", event_type.group)

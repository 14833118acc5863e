"""The changes between two catalogs: what each means, and that a verdict is true of events and of tables."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from event_platform.events.catalog import load_catalog
from event_platform.events.evolution.catalogs import compare_catalogs, read_catalog_files
from event_platform.events.evolution.change import Change, Impact
from event_platform.lake.schemas import merged, to_delta
from event_platform_tests.support.world import write_catalog

COMPATIBLE, BACKFILL, BREAKING = Impact.COMPATIBLE, Impact.BACKFILL, Impact.BREAKING
Schema = dict[str, Any]

STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
DEVICE_RULES = {"properties": {"os": STRING}}
DEVICE = {"type": "object", "properties": {"os": STRING}}
PERSONAL, ARRAY = {"x-personal": True}, {"type": "array"}
OWNER = {"type": "object", "properties": {"os": STRING | PERSONAL}}


def schema(required: Sequence[str] = (), **properties: Any) -> Schema:
    """Return the schema of an event."""
    return {"title": "a", "required": list(required), "properties": properties}


def changes(folder: Path, old: Sequence[Schema], new: Sequence[Schema], *envelopes: Schema) -> list[Change]:
    """Return the changes between two catalogs of these schemas, each in a file of its title, and these envelopes."""
    sides = []
    for number, schemas in enumerate((old, new)):
        side = folder / str(number)
        for path in side.glob("*"):
            path.unlink()
        files = {each.get("x-file", each["title"].replace(":", "-")): each for each in schemas}
        sides.append(read_catalog_files(write_catalog(side, files, envelopes[number] if envelopes else None)))
    return compare_catalogs(*sides)


def verdicts(found: Sequence[Change]) -> list[tuple[Impact, str, str]]:
    """Return class, event type and property of each change."""
    return [(each.impact, each.event_type, each.path) for each in found]


@pytest.mark.parametrize(
    ("old", "new", "impact"),
    [
        pytest.param(None, INTEGER, COMPATIBLE, id="an optional property is added"),
        pytest.param(INTEGER, INTEGER | {"minimum": 1}, BREAKING, id="a rule is added"),
        pytest.param(INTEGER | {"minimum": 1}, INTEGER | {"minimum": 0}, COMPATIBLE, id="a rule is wider"),
        pytest.param(STRING | {"enum": ["a"]}, STRING | {"enum": ["a", "b"]}, COMPATIBLE, id="a value is added"),
        pytest.param(STRING | {"enum": ["a", "b"]}, STRING | {"enum": ["a"]}, BREAKING, id="a value is removed"),
        pytest.param(STRING | {"pattern": "^a$"}, STRING | {"pattern": "^[ab]$"}, BREAKING, id="nobody can tell"),
        pytest.param(STRING, {"type": ["string", "null"]}, COMPATIBLE, id="null is allowed"),
        pytest.param({"type": ["string", "null"]}, STRING, BREAKING, id="null is no longer allowed"),
        pytest.param(INTEGER, NUMBER, BACKFILL, id="a wider type in the same column"),
        pytest.param(INTEGER, STRING, BREAKING, id="a wider type that does not read the earlier values"),
        pytest.param(INTEGER, STRING | {"x-was-type": ["integer"]}, BACKFILL, id="and one that does"),
        pytest.param(
            STRING | {"format": "date"},
            STRING | {"format": "date-time", "x-was-type": ["date"]},
            BACKFILL,
            id="dates become midnights",
        ),
        pytest.param(STRING | {"format": "date"}, STRING, BACKFILL, id="dates become texts"),
        pytest.param(DEVICE, {"x-variant": True}, BACKFILL, id="an object becomes a variant"),
        pytest.param(STRING, {"x-variant": True}, BACKFILL, id="a text becomes a variant"),
        pytest.param({"x-variant": True}, STRING, BREAKING, id="a variant becomes a text"),
        pytest.param(DEVICE, STRING, BREAKING, id="an object becomes a text"),
        pytest.param(STRING, INTEGER, BREAKING, id="a narrower type"),
        pytest.param(STRING, STRING | {"x-was-type": ["integer"]}, BACKFILL, id="values of a type are read as well"),
        pytest.param(STRING | {"x-was-type": ["integer"]}, STRING, BREAKING, id="values of a type are read no more"),
        pytest.param(STRING, STRING | {"x-was": ["o"]}, BACKFILL, id="a key is read as well"),
        pytest.param(STRING | {"x-was": ["o"]}, STRING, BREAKING, id="a key is read no more"),
        pytest.param(INTEGER, NUMBER | {"x-column": "q"}, BACKFILL, id="a wider type in a column of its own"),
        pytest.param(INTEGER, STRING | {"x-column": "q"}, BREAKING, id="another type in a column of its own"),
        pytest.param(
            INTEGER, STRING | {"x-column": "q", "x-mixed": ["integer"]}, BACKFILL, id="and the earlier one is expected"
        ),
        pytest.param(
            STRING, STRING | {"format": "date-time", "x-column": "q"}, BREAKING, id="texts that are no times do not fit"
        ),
        pytest.param(STRING, STRING | {"format": "date"}, BREAKING, id="a date in a column of texts"),
        pytest.param(STRING, STRING | {"x-column": "q"}, BACKFILL, id="another column"),
        pytest.param(STRING, STRING | {"x-column": "P"}, BREAKING, id="a column that differs in case only"),
        pytest.param(STRING, STRING | {"x-mixed": ["integer"]}, COMPATIBLE, id="a further type is expected"),
        pytest.param(STRING | {"x-mixed": ["integer"]}, STRING, BREAKING, id="it is not expected any more"),
        pytest.param(NUMBER, NUMBER | {"x-decimal": [9, 2]}, BREAKING, id="decimals in a column of doubles"),
        pytest.param({}, STRING, BACKFILL, id="a property gets a type"),
        pytest.param({"type": ["string", "integer"]}, STRING, BREAKING, id="of two types one"),
        pytest.param(STRING, {}, BREAKING, id="a property loses its type"),
        pytest.param(STRING, None, BREAKING, id="a property is removed"),
        pytest.param({}, None, BREAKING, id="a property without a column is removed"),
        pytest.param({"type": "array"}, {"type": "array", "items": STRING}, BACKFILL, id="items get a type"),
        pytest.param(
            DEVICE,
            {"type": "object", "x-map": True, "additionalProperties": STRING},
            BREAKING,
            id="an object, now a map",
        ),
        pytest.param(
            {"type": ["object", "string"]},
            {"type": ["object", "string"], **DEVICE_RULES},
            BREAKING,
            id="without a column",
        ),
        pytest.param(STRING | {"description": "x"}, STRING, None, id="descriptions are not compared"),
    ],
)
def test_a_change_of_a_property_has_a_class(
    tmp_path: Path, old: Schema | None, new: Schema | None, impact: Impact | None
) -> None:
    """By what it does to events and to the table. It names the property and both sides."""
    sides = [schema() if each is None else schema(p=each) for each in (old, new)]
    listed = changes(tmp_path, sides[:1], sides[1:])
    assert verdicts(listed) == ([] if impact is None else [(impact, "a", "p")])
    assert all(each.before != each.after and each.action and each.file == "a.yaml" for each in listed)


def nested(definition: Schema) -> Schema:
    """Return a schema that has a property in an object, in the items of an array, and in the values of a map."""
    below = {"type": "object", "properties": {"p": definition}}
    return schema(
        o=below, a={"type": "array", "items": below}, m={"type": "object", "x-map": True, "additionalProperties": below}
    )


def test_nested_properties_are_compared_one_by_one(tmp_path: Path) -> None:
    """Each has its path."""
    paths = {"o.p", "a[].p", "m.*.p"}
    wider = changes(tmp_path, [nested(INTEGER)], [nested({"type": ["integer", "null"]})])
    assert {verdict[2] for verdict in verdicts(wider) if verdict[0] is COMPATIBLE} == paths
    other = changes(tmp_path, [nested(STRING)], [nested(INTEGER)])
    assert {verdict[2] for verdict in verdicts(other) if verdict[0] is BREAKING} == paths
    action = "column o.p keeps its type or gets a wider one: give the property a new column, x-column: p_integer"
    assert next(each.action for each in other if each.path == "o.p") == action
    text = changes(tmp_path, [nested(INTEGER)], [nested(STRING)])
    assert {verdict[2] for verdict in verdicts(text) if verdict[0] is BREAKING} == paths
    assert all("x-was-type: [integer] reads them" in each.action for each in text)


def test_a_key_that_is_renamed(tmp_path: Path) -> None:
    """One change, of the property that has both generations."""
    old, new = schema(["p"], p=INTEGER), schema(["q"], q=INTEGER | {"x-was": ["p"]})
    (change,) = changes(tmp_path, [old], [new])
    assert (change.impact, change.path, change.column) == (BACKFILL, "q", ("q",))
    assert change.action == "event-platform run moves earlier days from p: read q"
    strict = changes(tmp_path, [schema(p=INTEGER)], [new])
    assert verdicts(strict) == [(BREAKING, "a", "q"), (BACKFILL, "a", "q")]
    (kept,) = changes(tmp_path, [old], [schema(["q"], q=INTEGER | {"x-was": ["p"], "x-column": "p"})])
    assert (kept.impact, kept.before, kept.after) == (
        COMPATIBLE,
        "type: integer",
        'type: integer, x-was: ["p"], x-column: p',
    )


def test_another_type_is_described_whole(tmp_path: Path) -> None:
    """With the keywords that make it, and no others."""
    (change,) = changes(tmp_path, [schema(p=DEVICE)], [schema(p=DEVICE | {"x-variant": True})])
    assert (change.before, change.after) == ("type: object", "type: object, x-variant: true")
    assert change.action == "event-platform run rebuilds all days of the table in one commit"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(STRING, STRING | PERSONAL, [(COMPATIBLE, "p")], id="it is added"),
        pytest.param(STRING | PERSONAL, STRING, [(BREAKING, "p")], id="it is taken away"),
        pytest.param({} | PERSONAL, PERSONAL, [], id="nothing changes"),
        pytest.param(OWNER, DEVICE | PERSONAL, [(COMPATIBLE, "p")], id="the object gets it from a property"),
        pytest.param(DEVICE | PERSONAL, OWNER, [(BREAKING, "p")], id="a property gets it from the object"),
        pytest.param(OWNER, DEVICE, [(BREAKING, "p.os")], id="a property of an object"),
        pytest.param({"items": OWNER}, {"items": DEVICE}, [(BREAKING, "p[].os")], id="one of objects in an array"),
        pytest.param(OWNER, {"x-variant": True}, [(BACKFILL, "p"), (BREAKING, "p")], id="with what it was in"),
        pytest.param(OWNER, {"x-variant": True} | PERSONAL, [(BACKFILL, "p")], id="the variant has it"),
    ],
)
def test_masked_values_are_shown_only_where_somebody_agrees(
    tmp_path: Path, old: Schema, new: Schema, expected: list[tuple[Impact, str]]
) -> None:
    """It is a separate change, beside that of the type."""
    listed = changes(
        tmp_path, [schema(p=ARRAY | old if "items" in old else old)], [schema(p=ARRAY | new if "items" in new else new)]
    )
    assert sorted((each.impact, each.path) for each in listed) == sorted(expected)
    shown = [each for each in listed if each.before == "x-personal: true"]
    assert all((each.after, each.impact) == ("", BREAKING) for each in shown)


def test_required_properties(tmp_path: Path) -> None:
    """To require more breaks, in a property that is new as well; to require less does not."""
    loose, strict = schema(p=STRING), schema(["p", "q"], p=STRING, q=STRING)
    assert verdicts(changes(tmp_path, [loose], [strict])) == [(BREAKING, "a", "p"), (BREAKING, "a", "q")]
    freed = changes(tmp_path, [schema(["p"], p=STRING)], [loose])
    assert verdicts(freed) == [(COMPATIBLE, "a", "p")]


def test_a_column_that_another_property_had(tmp_path: Path) -> None:
    """A run fails if its type or the case of its name differs, whatever the properties are called."""
    old = schema(p={"type": "array", "items": INTEGER})
    for column, definition in (("p", STRING), ("P", INTEGER)):
        listed = changes(tmp_path, [old], [schema(other=definition | {"x-column": column})])
        assert ("column p of another property", f"column {column}") in {(each.before, each.after) for each in listed}
        assert {each.impact for each in listed} == {BREAKING}
    path = changes(tmp_path, [old], [schema()], {"path_columns": []}, {"path_columns": ["p"]})
    assert ("column p of another property", "column p") in {(each.before, each.after) for each in path}


def test_types_come_go_and_are_renamed(tmp_path: Path) -> None:
    """A type keeps its table as long as it keeps its title, or the table of its title."""
    a, b = {"title": "a"}, {"title": "b"}
    assert verdicts(changes(tmp_path, [a], [a, b])) == [(COMPATIBLE, "b", "")]
    assert verdicts(changes(tmp_path, [a, b], [a])) == [(BREAKING, "b", "")]
    assert verdicts(changes(tmp_path, [a], [b | {"x-names": ["a"]}])) == [(BREAKING, "b", "title")]
    assert verdicts(changes(tmp_path, [a, b], [b | {"x-names": ["a"]}])) == [
        (BREAKING, "b", "title"),
        (BACKFILL, "b", "x-names"),
    ]
    in_file = changes(tmp_path, [a | {"x-file": "f"}], [b | {"x-file": "f"}])
    assert [(each.before, each.after) for each in in_file] == [("a", "b")]
    assert in_file[0].action == "events of the earlier name have no table: x-names: [a]"
    same_table = changes(tmp_path, [{"title": "a:b"}], [{"title": "a.b", "x-names": ["a:b"]}])
    assert verdicts(same_table) == [(COMPATIBLE, "a.b", "title")]


def test_names_settings_and_the_envelope(tmp_path: Path) -> None:
    """Settings of the asset do nothing to tables; another way to read records needs them to be read again."""
    a = {"title": "a"}
    assert verdicts(changes(tmp_path, [a], [a | {"x-names": ["b"]}])) == [(BACKFILL, "a", "x-names")]
    assert verdicts(changes(tmp_path, [a | {"x-names": ["b"]}], [a])) == [(BREAKING, "a", "x-names")]
    settings = {"x-owner": "team:a", "x-group": "g", "x-volume": False}
    assert {verdict[0] for verdict in verdicts(changes(tmp_path, [a], [a | settings]))} == {COMPATIBLE}
    envelopes: list[Schema] = [
        {"created_at": "t"},
        {"created_at": {"field": "t", "unit": "ms"}, "path_columns": ["tenant"]},
    ]
    assert verdicts(changes(tmp_path, [a], [a], *envelopes)) == [(BACKFILL, "", ""), (BACKFILL, "", "path_columns")]
    assert verdicts(changes(tmp_path, [a], [a], *reversed(envelopes))) == [
        (BREAKING, "", "path_columns"),
        (BACKFILL, "", ""),
    ]
    same = changes(tmp_path, [a], [a], {"event_uuid": "event_uuid"}, {"event_uuid": ["event_uuid"]})
    assert same == []


VALUES: list[Any] = [None, True, 0, 1, 5, 1.5, "a", "b", "2025-06-02", "2025-06-02T12:00:00Z", [], ["a"], [1], [1.5]]
VALUES += [{}, {"o": "a"}, {"o": 1}, {"n": 1}, {"o": "a", "n": 5}, {"o": "b", "n": None}]

TYPES = st.sampled_from([["string"], ["integer"], ["number"], ["string", "null"], ["integer", "null"], ["boolean"]])
RULES: dict[str, st.SearchStrategy[Schema]] = {
    "string": st.sampled_from([{}, {"enum": ["a"]}, {"enum": ["a", "b"]}, {"pattern": "^a"}, {"format": "date"}]),
    "integer": st.sampled_from([{}, {"minimum": 0}, {"minimum": 1}, {"maximum": 1}, {"enum": [1, 5]}]),
}
EXTRA: st.SearchStrategy[Schema] = st.sampled_from(
    [{}, {}, {}, {"x-column": "c"}, {"x-column": "P"}, {"x-mixed": ["string", "boolean"]}, {"x-variant": True}]
)


@st.composite
def scalars(draw: st.DrawFn) -> Schema:
    """Return a property without properties."""
    types = draw(TYPES)
    return {"type": types, **draw(RULES.get(types[0], st.just({}))), **draw(EXTRA)}


def objects(values: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    """Return objects of one or two properties."""
    properties = st.dictionaries(st.sampled_from("by"), values, min_size=1)
    return st.builds(lambda found: {"type": "object", "properties": without_same_columns(found)}, properties)


def without_same_columns(properties: Mapping[str, Schema]) -> Schema:
    """Leave out the properties whose column an earlier one has."""
    kept = {property_.get("x-column", key).lower(): key for key, property_ in reversed(list(properties.items()))}
    return {key: property_ for key, property_ in properties.items() if key in kept.values()}


PROPERTIES = st.one_of(
    scalars(),
    objects(scalars()),
    st.builds(lambda items: {"type": "array", "items": items}, scalars()),
    st.builds(lambda value: {"type": "object", "x-map": True, "additionalProperties": value}, scalars()),
    st.sampled_from([{}, {"type": "array"}, {"type": "object"}, {"type": ["string", "integer"]}]),
    st.builds(lambda below: {"type": ["object", "string"], "properties": {"o": below}}, scalars()),
)

SCHEMAS = st.builds(
    lambda properties, required: schema([key for key in required if key in properties], **properties),
    st.dictionaries(st.sampled_from("pqr"), PROPERTIES).map(without_same_columns),
    st.sets(st.sampled_from("pqr"), max_size=1).map(sorted),
)


def closed(definition: Schema) -> Schema:
    """Return what a schema accepts as JSON Schema says it: without unknown fields, and with the types of x-mixed."""
    if "x-variant" in definition:
        return {}
    found = {key: value for key, value in definition.items() if not key.startswith("x-")}
    if "properties" in found and definition.get("type", "object") == "object":
        # Where another type is allowed it has no column: no field in it is unknown, and x-mixed says nothing.
        found["properties"] = {key: closed(below) for key, below in found["properties"].items()}
        found["additionalProperties"] = False
    for key in {"items", "additionalProperties"} & {key for key, value in found.items() if isinstance(value, dict)}:
        found[key] = closed(found[key])
    mixed = definition.get("x-mixed")
    return {"anyOf": [found, {"type": mixed}]} if mixed else found


def instances(old: Schema) -> Iterator[Schema]:
    """Yield events: of each property every value, with and without the others."""
    properties = old["properties"]
    valid = {key: [v for v in VALUES if is_valid(closed(property_), v)] for key, property_ in properties.items()}
    for key, values in valid.items():
        others = {other: each[0] for other, each in valid.items() if other != key and each}
        yield from (event for value in values for event in ({key: value}, others, others | {key: value}))


def is_valid(rules: Schema, value: Any) -> bool:
    """Return whether a schema accepts a value, formats included."""
    return Draft202012Validator(rules, validate_formats=True).is_valid(value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for two catalogs."""
    return tmp_path_factory.mktemp("catalogs")


@given(old=SCHEMAS, new=SCHEMAS, kept=st.sets(st.sampled_from("pqr")))
def test_a_verdict_is_true_of_events_and_of_tables(folder: Path, old: Schema, new: Schema, kept: set[str]) -> None:
    """What is compatible accepts every event that was accepted; a table takes the columns unless a change breaks."""
    shared = {key: property_ for key, property_ in old["properties"].items() if key in kept}
    new |= {
        "properties": without_same_columns(
            {**shared, **{k: v for k, v in new["properties"].items() if k not in shared}}
        )
    }
    new["required"] = [key for key in new["required"] if key in new["properties"]]
    impacts = {change.impact for change in changes(folder, [old], [new])}
    if impacts <= {COMPATIBLE}:
        accepted = [event for event in instances(old) if is_valid(closed(old), event)]
        assert [event for event in accepted if not is_valid(closed(new), event)] == []
    if BREAKING not in impacts:
        before, after = (load_catalog(folder / side).by_key["a"] for side in "01")
        sides = (to_delta(each.schema, {}, each.variants) for each in (before, after))
        merged("events/a", *sides, widens=True)


def derives(tmp_path: Path, old: Any, new: Any, **files: tuple[str, str]) -> list[Change]:
    """Return the changes between two catalogs of a type that derives these columns, with files beside it."""
    sides = []
    for number, derive in enumerate((old, new)):
        side = write_catalog(tmp_path / str(number), {"a": schema(p=NUMBER, q=STRING) | {"x-derive": derive}})
        for name, texts in files.items():
            (side / name.replace("_", ".")).write_text(texts[number], encoding="utf-8")
        sides.append(read_catalog_files(side))
    return compare_catalogs(*sides)


@pytest.mark.parametrize(
    ("old", "new", "impacts"),
    [
        pytest.param({}, {"d": "p * 2"}, [BACKFILL], id="one is added"),
        pytest.param({"d": "p * 2"}, {"d": "p * 3"}, [BACKFILL], id="its expression is another one"),
        pytest.param({"d": "p * 2"}, {"d": {"sql": "p * 2", "description": "Twice"}}, [], id="its description"),
        pytest.param({"d": "p * 2"}, {"d": "q"}, [BACKFILL], id="its type is wider"),
        pytest.param({"d": "q"}, {"d": "p * 2"}, [BREAKING], id="its type is another one"),
        pytest.param({"d": "p * 2"}, {"D": "p * 2"}, [BREAKING, BREAKING], id="its case is another one"),
        pytest.param({"d": "p * 2"}, {}, [BREAKING], id="it is removed"),
        pytest.param({"d": {"sql": "p * 2", "x-personal": True}}, {"d": "p * 2"}, [BREAKING], id="it is shown"),
    ],
)
def test_a_change_of_a_derived_column_has_a_class(tmp_path: Path, old: Any, new: Any, impacts: list[Impact]) -> None:
    """A back-fill, unless readers lose it or a table cannot have it."""
    assert [change.impact for change in derives(tmp_path, old, new)] == impacts


def test_a_file_that_values_are_derived_from_is_a_back_fill(tmp_path: Path) -> None:
    """Including columns derived from it in turn; its digest shows the change."""
    rules = {
        "name": {"lookup": "t.csv", "by": "q", "value": "name"},
        "long": "name || '!'",
        "other": {"function": "f:other", "columns": ["p"], "type": "number"},
    }
    code, table = "def other(frame):\n    return frame['p'] * {}\n", "q,name\na,{}\n"
    same, other = (code.format(2),) * 2, (table.format("A"), table.format("B"))
    derived_changes = derives(tmp_path, rules, rules, t_csv=other, f_py=same)
    assert verdicts(derived_changes) == [(BACKFILL, "a", "x-derive.long"), (BACKFILL, "a", "x-derive.name")]
    assert derived_changes[1].before.startswith("string: name of t.csv by q (")
    assert derived_changes[1].before != derived_changes[1].after
    derived_changes = derives(tmp_path, rules, rules, t_csv=(table,) * 2, f_py=(code.format(2), code.format(3)))
    assert verdicts(derived_changes) == [(BACKFILL, "a", "x-derive.other")]

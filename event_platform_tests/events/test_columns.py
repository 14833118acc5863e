"""Properties become columns: of which type, under which name, with which rules, and what is refused."""

from typing import Any

import polars as pl
import pytest

from event_platform.events.column_definitions import parse_columns
from event_platform.events.columns import Column, Constraints, Kind, storage_shape, typed, walk

TEXT = {"type": "string"}


def parsed(schema: dict[str, Any]) -> tuple[Column, ...]:
    """Return the columns of a schema that has no fault."""
    faults: list[str] = []
    columns = parse_columns(schema, "properties", faults)
    assert faults == []
    return columns


def column(definition: Any) -> Column:
    """Return the column of one property."""
    (only,) = parsed({"properties": {"field": definition}})
    return only


def faults(**properties: Any) -> list[str]:
    """Return what is wrong with properties."""
    found: list[str] = []
    parse_columns({"properties": properties}, "properties", found)
    return found


@pytest.mark.parametrize(
    ("definition", "dtype"),
    [
        ({"type": "string"}, pl.String()),
        ({"type": "string", "format": "uuid"}, pl.String()),
        ({"type": "string", "format": "date-time"}, pl.Datetime("us", "UTC")),
        ({"type": "string", "format": "date"}, pl.Date()),
        ({"type": "integer"}, pl.Int64()),
        ({"type": "integer", "format": "date"}, pl.Int64()),
        ({"type": "number"}, pl.Float64()),
        ({"type": ["number", "integer"]}, pl.Float64()),
        ({"type": "number", "x-decimal": [38, 2]}, pl.Decimal(38, 2)),
        ({"type": ["integer", "number", "null"], "x-decimal": [1, 0]}, pl.Decimal(1, 0)),
        ({"type": "array", "items": {"type": "number", "x-decimal": [5, 5]}}, pl.List(pl.Decimal(5, 5))),
        ({"type": "boolean"}, pl.Boolean()),
        ({"type": ["null", "string"]}, pl.String()),
        ({"type": ["string", "null"], "format": "date"}, pl.Date()),
        ({"type": ["integer", "number", "null"]}, pl.Float64()),
        ({"type": "array", "items": TEXT}, pl.List(pl.String())),
        ({"type": ["array", "null"], "items": {"type": ["integer", "null"]}}, pl.List(pl.Int64())),
        ({"type": "array", "items": {"type": "array", "items": {"type": "number"}}}, pl.List(pl.List(pl.Float64()))),
        ({"type": "object", "properties": {"a": TEXT}}, pl.Struct({"a": pl.String()})),
        (
            {"type": "array", "items": {"type": ["object", "null"], "properties": {"a": {"type": "boolean"}}}},
            pl.List(pl.Struct({"a": pl.Boolean()})),
        ),
        ({"type": "object", "x-map": True, "additionalProperties": TEXT}, pl.Map(pl.String(), pl.String())),
        (
            {
                "type": ["object", "null"],
                "x-map": True,
                "additionalProperties": {"type": "array", "items": {"type": "number", "x-decimal": [5, 2]}},
            },
            pl.Map(pl.String(), pl.List(pl.Decimal(5, 2))),
        ),
        (
            {
                "type": "object",
                "x-map": True,
                "additionalProperties": {
                    "type": "object",
                    "x-map": True,
                    "additionalProperties": {"type": "object", "properties": {"a": TEXT}},
                },
            },
            pl.Map(pl.String(), pl.Map(pl.String(), pl.Struct({"a": pl.String()}))),
        ),
        (
            {"type": "object", "properties": {"b": {"type": "object", "properties": {"c": {"type": "integer"}}}}},
            pl.Struct({"b": pl.Struct({"c": pl.Int64()})}),
        ),
    ],
)
def test_a_definition_has_one_type_of_column(definition: dict[str, Any], dtype: pl.DataType) -> None:
    """Every column is nullable, whether the schema says so or not."""
    assert column(definition).dtype == dtype


@pytest.mark.parametrize(
    "definition",
    [
        True,
        {},
        {"description": "anything"},
        {"type": []},
        {"type": "null"},
        {"type": ["string", "boolean"]},
        {"type": ["integer", "string", "null"]},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        {"enum": ["a", 1]},
        {"type": "object"},
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "array"},
        {"type": "array", "items": True},
        {"type": "array", "items": {"type": "object"}},
        {"type": "array", "items": {"type": "array", "items": {}}},
    ],
)
def test_what_no_one_type_can_hold_has_no_column(definition: Any) -> None:
    """It is known all the same: its values live in `_rescued`."""
    columns = parsed({"properties": {"field": definition}})
    assert [(each.field, each.kind) for each in columns] == [("field", Kind.UNTYPED)]
    assert typed(columns) == []


def test_an_object_is_a_struct_of_its_typed_fields() -> None:
    """In the order of the schema."""
    device = {"type": "object", "properties": {"os": TEXT, "extra": {}, "id.raw": {**TEXT, "x-column": "id"}}}
    assert column(device).dtype == pl.Struct({"os": pl.String(), "id": pl.String()})


@pytest.mark.parametrize("field", ["größe", "购买", "é", "_x"])
def test_a_column_may_have_the_letters_of_any_script(field: str) -> None:
    """Composed with their marks, so that one name is not written in two ways."""
    assert faults(**{field: TEXT}) == []


def test_columns_keep_the_order_of_the_schema() -> None:
    """Analysts see the columns in the author's order."""
    assert [each.name for each in parsed({"properties": {"z": TEXT, "a": TEXT, "m": TEXT}})] == ["z", "a", "m"]


def test_a_schema_without_properties_has_no_columns() -> None:
    """Nothing is known of the payload, and nothing is wrong."""
    assert parsed({}) == ()


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        ("@timestamp", "'@timestamp' is not a column name (letters, digits and _)"),
        ("id.orig_h", "'id.orig_h' is not a column name (letters, digits and _)"),
        ("1st", "'1st' is not a column name (letters, digits and _)"),
        ("e\u0301", "'e\u0301' is not a column name (letters, digits and _)"),
        ("", "'' is not a column name (letters, digits and _)"),
        ("a\n", "'a\\n' is not a column name (letters, digits and _)"),
        ("body", "the column name 'body' is taken (case is ignored)"),
        ("Source_Object", "the column name 'Source_Object' is taken (case is ignored)"),
        ("created_at", "the column name 'created_at' is taken (case is ignored)"),
        ("_rescued", "the column name '_rescued' is taken (case is ignored)"),
        ("USER", "the column name 'USER' is taken (case is ignored)"),
    ],
)
def test_a_name_that_no_column_can_have_needs_another(field: str, fault: str) -> None:
    """Odd, reserved, or different from its neighbour only in case: x-column gives the column a name."""
    expected = [f"properties.{field}: {fault}; give it another with x-column: <name>"]
    assert faults(user=TEXT, **{field: TEXT}) == expected


@pytest.mark.parametrize("field", ["@timestamp", "id.orig_h", "body", "USER", "e\u0301"])
def test_x_column_or_no_type_lets_any_name_be(field: str) -> None:
    """The second is known, and has no column to name."""
    assert faults(user=TEXT, **{field: {**TEXT, "x-column": "other"}}) == []
    assert faults(user=TEXT, **{field: {}}) == []


@pytest.mark.parametrize("name", ["a b", "user", "User", "body", "", "a.b", None, 7, ["a"]])
def test_x_column_has_to_be_a_free_name_itself(name: Any) -> None:
    """Whatever its author wrote there."""
    (fault,) = faults(user=TEXT, field={**TEXT, "x-column": name})
    assert fault.startswith("properties.field: ")
    assert fault.endswith("; give it another with x-column: <name>")


def test_each_object_has_names_of_its_own() -> None:
    """Reserved are only those beside the event columns; case counts nowhere."""
    device = {"type": "object", "properties": {"body": TEXT, "user": TEXT, "Tag": TEXT, "tag": TEXT}}
    (fault,) = faults(user=TEXT, device=device)
    assert fault.startswith("properties.device.properties.tag: the column name 'tag' is taken")


@pytest.mark.parametrize("key", ["$ref", "$dynamicRef"])
@pytest.mark.parametrize(
    ("around", "where"),
    [
        (lambda inner: inner, "properties.field"),
        (lambda inner: {"type": "array", "items": inner}, "properties.field.items"),
        (lambda inner: {"type": "object", "properties": {"a": inner}}, "properties.field.properties.a"),
    ],
)
def test_a_reference_is_refused_wherever_it_is(around: Any, where: str, key: str) -> None:
    """Rather than left out in silence."""
    assert faults(field=around({key: "#/$defs/a"})) == [f"{where}: {key} is not supported; write the type here"]


def test_all_faults_are_found_at_once() -> None:
    """At every level, in the order of the schema."""
    message = faults(body=TEXT, field={"type": "array", "items": {"$ref": "#/a"}}, **{"a b": TEXT, "c.d": TEXT})
    assert [fault.split(":")[0] for fault in message] == [
        "properties.body",
        "properties.field.items",
        "properties.a b",
        "properties.c.d",
    ]


def test_rules_are_kept_beside_the_type() -> None:
    """For the conformance check, which counts violations."""
    definition = {"type": "number", "description": "How far", "minimum": 0, "maximum": 9.5, "enum": [1, 2.5, None]}
    found = column(definition)
    assert (found.description, found.constraints) == (
        "How far",
        Constraints(enum=(1, 2.5, None), minimum=0, maximum=9.5),
    )
    assert column({**TEXT, "pattern": "^usr_"}).constraints == Constraints(pattern="^usr_")
    assert column(TEXT).constraints == Constraints()


@pytest.mark.parametrize(
    ("definition", "required"),
    [(TEXT, True), ({}, True), ({"type": ["string", "null"]}, False)],
)
def test_what_may_be_null_is_never_missed(definition: dict[str, Any], *, required: bool) -> None:
    """In a column a null cannot be told from an absence."""
    (parsed_column,) = parsed({"required": ["field", "other"], "properties": {"field": definition}})
    assert parsed_column.constraints.required is required


@pytest.mark.parametrize(
    ("definition", "fault"),
    [
        ({**TEXT, "pattern": "("}, "pattern: '(' cannot be checked"),
        ({**TEXT, "pattern": "(?=a)"}, "pattern: '(?=a)' cannot be checked"),
        ({**TEXT, "enum": ["a", 1]}, "enum: 1 does not have the type string"),
        ({"type": "integer", "enum": [1, "2"]}, "enum: '2' does not have the type integer"),
        ({"type": "integer", "enum": [True]}, "enum: True does not have the type integer"),
        ({"type": "boolean", "enum": [1]}, "enum: 1 does not have the type boolean"),
        ({"type": "number", "enum": ["1"]}, "enum: '1' does not have the type number"),
    ],
)
def test_a_rule_that_no_check_can_apply_is_refused(definition: dict[str, Any], fault: str) -> None:
    """When the code loads, not each day when the check runs."""
    (found,) = faults(field=definition)
    assert found.startswith(f"properties.field.{fault}")


@pytest.mark.parametrize(
    "digits",
    [None, 2, "38,2", [], [38], [38, 2, 1], ["38", "2"], [38.0, 2], [True, False], [39, 2], [0, 0], [5, 6], [5, -1]],
)
def test_a_decimal_has_digits_that_a_column_can_have(digits: Any) -> None:
    """Two integers: 1 to 38 digits, of which none to all are behind the point."""
    (fault,) = faults(field={"type": "number", "x-decimal": digits})
    assert fault.startswith("properties.field.x-decimal: expected [precision, scale]")


@pytest.mark.parametrize("kind", [{}, TEXT, {"type": "integer"}, {"type": ["number", "string"]}, {"type": "null"}])
def test_only_a_number_is_a_decimal(kind: dict[str, Any]) -> None:
    """Anything else with `x-decimal` is a fault of the catalog, wherever it is."""
    (fault,) = faults(field={"type": "object", "properties": {"a": {**kind, "x-decimal": [38, 2]}}})
    assert fault.startswith("properties.field.properties.a.x-decimal: only a property of the type number")


def test_the_digits_of_a_decimal_are_what_its_rows_depend_on() -> None:
    """What the schema expects beside its type is not: nor what kind of nothing a property without a type holds."""
    number = {"type": "number"}
    shapes = [
        storage_shape(parsed({"properties": {"field": each}}))
        for each in (number, {**number, "x-decimal": [38, 2]}, {**number, "x-decimal": [38, 3]})
    ]
    assert all(shapes.count(shape) == 1 for shape in shapes)
    assert storage_shape((column({**number, "x-mixed": ["string"]}),)) == shapes[0]
    assert storage_shape((column({"type": "array"}),)) == storage_shape((column({"type": "null"}),)) == []


@pytest.mark.parametrize(
    ("definition", "fault"),
    [
        ({"x-map": {"type": "integer"}}, "expected true, in an object without properties"),
        ({"x-map": False, "additionalProperties": TEXT}, "expected true, in an object without properties"),
        (
            {"x-map": True, "properties": {"a": TEXT}, "additionalProperties": TEXT},
            "expected true, in an object without properties",
        ),
        ({"x-map": True}, "expected type: object, and in additionalProperties the schema"),
        (
            {"x-map": True, "additionalProperties": True},
            "expected type: object, and in additionalProperties the schema",
        ),
        (
            {"x-map": True, "additionalProperties": {"type": ["string", "integer"]}},
            "expected type: object, and in additionalProperties the schema",
        ),
        (
            {"type": "string", "x-map": True, "additionalProperties": TEXT},
            "expected type: object, and in additionalProperties the schema",
        ),
    ],
)
def test_a_map_is_an_object_with_the_schema_of_its_values(definition: dict[str, Any], fault: str) -> None:
    """Anything else with `x-map` is a fault of the catalog, wherever it is."""
    (found,) = faults(field={"type": "array", "items": {"type": "object", **definition}})
    assert found.startswith(f"properties.field.items.x-map: {fault}")


def test_faults_of_the_values_of_a_map_are_found() -> None:
    """With their place."""
    values = {"type": "object", "properties": {"a b": TEXT, "c": {"$ref": "#/d"}}}
    message = faults(field={"type": "object", "x-map": True, "additionalProperties": values})
    assert [fault.split(": ")[0] for fault in message] == [
        "properties.field.additionalProperties.properties.a b",
        "properties.field.additionalProperties.properties.c",
    ]


def test_the_values_of_a_map_are_what_its_rows_depend_on() -> None:
    """A map is not the array of its values, nor is it without them."""
    shapes = [
        storage_shape((column(each),))
        for each in (
            {"type": "object", "x-map": True, "additionalProperties": TEXT},
            {"type": "object", "x-map": True, "additionalProperties": {"type": "integer"}},
            {"type": "array", "items": TEXT},
            {"type": "object"},
        )
    ]
    assert all(shapes.count(shape) == 1 for shape in shapes)


@pytest.mark.parametrize("personal", ["yes", 1, None])
def test_personal_is_true_or_false(personal: Any) -> None:
    """Of any property."""
    (fault,) = faults(field={**TEXT, "x-personal": personal})
    assert fault == f"properties.field.x-personal: expected true or false, got {personal!r}"
    assert column({**TEXT, "x-personal": True}).is_personal
    assert not column({**TEXT, "x-personal": False}).is_personal


@pytest.mark.parametrize("mixed", ["string", ["text"], [1], {"string": 1}, [None], [["string"]]])
def test_what_comes_beside_a_type_is_a_list_of_types(mixed: Any) -> None:
    """Of those that JSON has."""
    (fault,) = faults(field={**TEXT, "x-mixed": mixed})
    assert fault.startswith("properties.field.x-mixed: expected a list of array, boolean, integer")
    assert column({**TEXT, "x-mixed": ["integer"]}).mixed == {"integer"}


@pytest.mark.parametrize(
    ("definition", "empty"),
    [
        ({}, Kind.UNTYPED),
        ({"type": "null"}, Kind.UNTYPED),
        ({"type": ["string", "boolean"]}, Kind.UNTYPED),
        ({"type": "object"}, Kind.OBJECT),
        ({"type": ["object", "null"], "properties": {"a": {"type": "null"}}}, Kind.OBJECT),
        ({"type": "array"}, Kind.ARRAY),
        ({"type": "array", "items": {"type": "object"}}, Kind.ARRAY),
    ],
)
def test_what_has_no_type_may_be_known_to_hold_nothing(definition: dict[str, Any], empty: Kind) -> None:
    """Null, or also an empty object or an empty array."""
    assert column(definition).empty is empty


def test_walking_yields_objects_before_their_fields_and_leaves_arrays_whole() -> None:
    """By the names of the columns."""
    inner = {"type": "object", "properties": {"c@": {**TEXT, "x-column": "c"}, "d": {}}}
    columns = parsed(
        {
            "properties": {
                "a": {"type": "object", "properties": {"b": inner}},
                "e": {},
                "f": TEXT,
                "g": {"type": "array", "items": inner},
            }
        }
    )
    assert [path for path, _ in walk(columns)] == [("a",), ("a", "b"), ("a", "b", "c"), ("f",), ("g",)]

"""`export odcs`: contracts are documents of the standard, and say what the catalog says."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema_rs import Draft202012Validator

from event_platform.environment import SAMPLE_CATALOG
from event_platform.events.evolution.catalogs import read_catalog_files
from event_platform.exporting.odcs import contract_files
from event_platform_tests.exporting.worlds import HOSTILE
from event_platform_tests.support.command import call
from event_platform_tests.support.world import write_catalog

TEXT, FLAG, NUMBER = {"type": "string"}, {"type": "boolean"}, {"type": "number"}


def _closed(required: list[str], /, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "additionalProperties": False, "properties": properties}


def _listed(item: Any) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": 1}


_ELEMENT = {
    "name": TEXT,
    "physicalType": TEXT,
    "physicalName": TEXT,
    "description": TEXT,
    "customProperties": _listed(_closed(["property", "value"], property=TEXT, value=True)),
}
_CHECK = _closed(
    ["metric", "mustBe"],
    metric={"enum": ["nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount"]},
    arguments={"type": "object"},
    mustBe=True,
    dimension={
        "enum": ["accuracy", "completeness", "conformity", "consistency", "coverage", "timeliness", "uniqueness"]
    },
)
_COLUMN = {
    **_ELEMENT,
    "logicalType": {"enum": ["string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean"]},
    "logicalTypeOptions": {"type": "object"},
    "required": FLAG,
    "primaryKey": FLAG,
    "primaryKeyPosition": {"type": "integer"},
    "partitioned": FLAG,
    "partitionKeyPosition": {"type": "integer"},
    "classification": TEXT,
    "quality": _listed(_CHECK),
    "properties": _listed({"$ref": "#/$defs/named"}),
    "items": {"$ref": "#/$defs/column"},
}
_LIMITS = _closed([], minimum=NUMBER, maximum=NUMBER)
_OPTIONS = {"string": _closed([], pattern=TEXT), "integer": _LIMITS, "number": _LIMITS}

#: What the standard (v3.1.0) says of the parts that are written, in the words of its documentation: objects are closed.
STANDARD = _closed(
    ["version", "apiVersion", "kind", "id", "status"],
    version=TEXT,
    apiVersion={"const": "v3.1.0"},
    kind={"const": "DataContract"},
    id=TEXT,
    name=TEXT,
    status=TEXT,
    domain=TEXT,
    description=_closed([], purpose=TEXT, usage=TEXT, limitations=TEXT),
    team=_closed([], name=TEXT, members=_listed(_closed(["username"], username=TEXT, role=TEXT))),
    servers=_listed(
        _closed(["server", "type", "location"], server=TEXT, type={"const": "s3"}, location=TEXT, format=TEXT)
    ),
    schema=_listed(
        _closed(
            ["name"],
            **_ELEMENT,
            logicalType={"const": "object"},
            dataGranularityDescription=TEXT,
            properties=_listed({"$ref": "#/$defs/named"}),
        )
    ),
    slaProperties=_listed(_closed(["property", "value"], property=TEXT, value=NUMBER, unit=TEXT, element=TEXT)),
    authoritativeDefinitions=_listed(_closed(["url", "type"], url=TEXT, type=TEXT)),
) | {
    "$defs": {
        "column": _closed([], **_COLUMN)
        | {
            "allOf": [
                {
                    "if": {"properties": {"logicalType": {"const": logical}}, "required": ["logicalType"]},
                    "then": {"properties": {"logicalTypeOptions": options}},
                }
                for logical, options in _OPTIONS.items()
            ]
        },
        "named": {"$ref": "#/$defs/column", "required": ["name"]},
    }
}
VALIDATOR = Draft202012Validator(STANDARD)

SCHEMAS: dict[str, dict[str, Any]] = {
    "lesson_started": {
        "title": "lesson:started",
        "description": HOSTILE,
        "x-owner": "team:growth",
        "x-version": "2-1-0",
        "x-freshness": {"warn_hours": 6, "fail_hours": 24},
        "required": ["user"],
        "properties": {
            "user": {"type": "string", "pattern": "^usr_", "description": HOSTILE, "x-personal": True},
            "@level": {"type": "integer", "minimum": 1, "maximum": 9, "x-column": "level"},
            "mode": {"type": "string", "enum": ["fast", HOSTILE, None]},
            "due": {"type": "string", "format": "date-time"},
            "price": {"type": "number", "x-decimal": [10, 2]},
            "device": {"type": "object", "properties": {"os": {"type": "string", "enum": ["a"]}}},
            "answers": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}}}},
            "words": {"type": "object", "x-map": True, "additionalProperties": {"type": "string"}},
            "whatever": {"x-variant": True, "description": "JSON."},
            "anything": {},
        },
    },
    "account_created": {"title": "account:created", "x-owner": "a@example.invalid", "x-group": "people"},
}


def contracts(folder: Path, lake: str = "lake", report_url: str | None = None) -> dict[str, Any]:
    """Return the contracts of a catalog, each of which must be one of the standard."""
    documents = {
        name: yaml.safe_load(text)
        for name, text in contract_files(read_catalog_files(folder), lake, report_url).items()
    }
    for contract in documents.values():
        VALIDATOR.validate(contract)
    return documents


def test_every_type_of_the_sample_has_a_contract() -> None:
    """Of the standard."""
    assert len(contracts(SAMPLE_CATALOG, "s3://bucket/lake", "https://reports.example.invalid")) == 100


def test_a_contract_says_what_the_catalog_says(tmp_path: Path) -> None:
    """Owner, group, version, freshness, address, page; and its columns."""
    folder = write_catalog(tmp_path, SCHEMAS)
    documents = contracts(folder, "s3://bucket/lake/", "https://reports.example.invalid/q")
    lesson, account = documents["lesson_started.odcs.yaml"], documents["account_created.odcs.yaml"]
    assert lesson["name"] == "lesson:started"
    assert lesson["version"] == "2-1-0"
    assert lesson["description"] == {"purpose": HOSTILE}
    assert lesson["team"] == {"name": "growth"}
    assert lesson["servers"][0]["location"] == "s3://bucket/lake/events/lesson_started"
    assert lesson["slaProperties"][0]["value"] == 24
    assert lesson["authoritativeDefinitions"][0]["url"] == "https://reports.example.invalid/q/types/lesson_started.html"
    assert account["team"] == {"members": [{"username": "a@example.invalid", "role": "owner"}]}
    assert (account["domain"], account["version"]) == ("people", "1-0-0")
    assert contracts(folder)["account_created.odcs.yaml"]["id"] == account["id"] != lesson["id"]


def test_columns_have_types_rules_and_keys(tmp_path: Path) -> None:
    """Nested ones as well; what is personal is classified; a field with another name in JSON has that."""
    lesson = contracts(write_catalog(tmp_path, SCHEMAS))["lesson_started.odcs.yaml"]
    columns = {each["name"]: each for each in lesson["schema"][0]["properties"]}
    assert [*columns][:2] == ["event_uuid", "event_name"]
    assert columns["created_date"]["partitioned"]
    assert columns["event_uuid"]["primaryKeyPosition"] == 2
    assert columns["user"] | {"description": ""} == {
        "name": "user",
        "logicalType": "string",
        "logicalTypeOptions": {"pattern": "^usr_"},
        "required": True,
        "description": "",
        "classification": "personal",
        "physicalType": "string",
    }
    assert columns["level"]["logicalTypeOptions"] == {"minimum": 1, "maximum": 9}
    assert columns["level"]["customProperties"] == [{"property": "jsonField", "value": "@level"}]
    assert columns["mode"]["quality"][0]["arguments"] == {"validValues": ["fast", HOSTILE]}
    assert (columns["due"]["logicalType"], columns["due"]["physicalType"]) == ("timestamp", "timestamp")
    assert columns["price"]["physicalType"] == "decimal(10,2)"
    assert columns["device"]["properties"][0]["quality"][0]["arguments"] == {"validValues": ["a"]}
    assert columns["answers"]["items"]["properties"][0]["name"] == "id"
    assert columns["words"]["physicalType"] == "map<string, string>"
    assert columns["_rescued"]["required"] is False
    assert "anything" not in columns
    assert "servers" not in lesson


def test_the_command_removes_what_left_the_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second export changes nothing; files of others stay."""
    catalog, folder = write_catalog(tmp_path / "catalog", SCHEMAS), tmp_path / "odcs"
    monkeypatch.setenv("EVENT_PLATFORM_CATALOG", str(catalog))
    assert "2 event types; 2 files written" in call("export", "odcs", "--to", str(folder), code=0)
    (folder / "mine.odcs.yaml").write_text("mine: true\n", encoding="utf-8")
    assert "0 files would change" in call("export", "odcs", "--to", str(folder), "--check", code=0)
    (catalog / "account_created.yaml").unlink()
    assert "-name: account:created" in call("export", "odcs", "--to", str(folder), "--check", code=1)
    assert "removed" in call("export", "odcs", "--to", str(folder), code=0)
    assert {path.name for path in folder.iterdir()} == {"lesson_started.odcs.yaml", "mine.odcs.yaml"}

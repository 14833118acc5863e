"""`export jsonschema`: what it calls valid are the events that the platform finds no fault with, and no others."""

import gzip
import json
import re
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator, meta

from event_platform.environment import SAMPLE_CATALOG
from event_platform.events.catalog import EventType
from event_platform.events.classification import classify
from event_platform.events.constraints import count_broken_constraints
from event_platform.events.event import RESCUED_COLUMN
from event_platform.events.evolution.catalogs import CatalogFiles, read_catalog_files
from event_platform.events.payload import PayloadReader
from event_platform.events.wrappers import open_reader
from event_platform.exporting.json_schema import bundle
from event_platform.sample.generate import Sample, generate
from event_platform_tests.support.command import call
from event_platform_tests.support.world import MONDAY, SCHEMAS, event, write_catalog

FIRST_DATE = date(2025, 1, 1)
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "contracts.md"


def validator_of(files: CatalogFiles) -> Draft202012Validator:
    """Return the validator of a catalog's schema, which is a valid one."""
    schema = bundle(files)
    assert meta.is_valid(schema)
    return Draft202012Validator(schema, validate_formats=True)


def has_fault(event_type: EventType, files: CatalogFiles, bodies: Sequence[str]) -> bool:
    """Return whether the platform rescues something of these bodies, or finds a broken rule in one."""
    rows = PayloadReader(event_type, files.catalog.envelope).read(pl.Series(bodies, dtype=pl.String))
    broken = count_broken_constraints(event_type, rows.with_columns(event_uuid=pl.lit("")).lazy()).collect()
    return bool(rows[RESCUED_COLUMN].null_count() < rows.height or sum(broken.row(0)))


def judge(files: CatalogFiles, records: Sequence[bytes]) -> tuple[dict[str, list[str]], list[str]]:
    """Return the bodies of sound registered events by event name, and those of all other records."""
    rows = classify(
        open_reader(files.catalog.envelope).read(b"\n".join(records)), files.catalog.envelope, MONDAY, FIRST_DATE
    )
    by_name: dict[str, list[str]] = {}
    other_bodies: list[str] = []
    for body, name, reason in rows.select("body", "event_name", "corruption_reason").iter_rows():
        is_sound = reason is None and name in files.catalog.by_name
        (by_name.setdefault(name, []) if is_sound else other_bodies).append(body)
    return by_name, other_bodies


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The records of a day of the sample."""
    folder = tmp_path_factory.mktemp("landing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("event_platform.sample.generate.local_pool", lambda: ThreadPoolExecutor(1))
        generate(Sample(folder, 9_000, MONDAY, 1, seed=3), lambda *_: None)
    return [line for path in sorted(folder.rglob("*.gz")) for line in _lines(path) if len(line) < 100_000]


def _lines(path: Path) -> list[bytes]:
    """Return the lines of an object; none of one that cannot be decompressed, of which the sample has some."""
    try:
        return gzip.decompress(path.read_bytes()).splitlines()
    except (OSError, EOFError, zlib.error):
        return []


def test_valid_are_the_events_of_the_sample_without_a_fault(sample: list[bytes]) -> None:
    """Each sound registered one without rescued values or broken rules; those with are not, nor what is corrupt."""
    files = read_catalog_files(SAMPLE_CATALOG)
    validator = validator_of(files)
    by_name, other_bodies = judge(files, sample)
    invalid = 0
    for name, bodies in by_name.items():
        event_type = files.catalog.by_name[name]
        verdicts = [validator.is_valid(json.loads(body)) for body in bodies]
        valid = [body for body, is_valid in zip(bodies, verdicts, strict=True) if is_valid]
        assert not has_fault(event_type, files, valid)
        for body in (body for body, is_valid in zip(bodies, verdicts, strict=True) if not is_valid):
            assert has_fault(event_type, files, [body]), body
            invalid += 1
    assert sum(map(len, by_name.values())) > 8_000
    assert invalid > 0
    parsed = [record for record in map(_parse, other_bodies) if record is not None]
    wrong_day = [each for each in parsed if validator.is_valid(each)]
    assert len(parsed) - len(wrong_day) > 5
    assert all(type(each["created_at"]) is int for each in wrong_day)  # what no schema tells: created out of range


def _parse(body: str | None) -> Any:
    try:
        return json.loads(body or "", parse_constant=lambda _: None)
    except ValueError:
        return None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 12) | st.sampled_from([0.5, "usr_1", "x", "fast", "2025-06-02", ""]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["os", "version", "id"]), inner),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def world_files(tmp_path_factory: pytest.TempPathFactory) -> CatalogFiles:
    """The catalog of the tests' worlds, and a type with maps, mixed types, renamed and personal fields."""
    more = {
        "odd": {
            "title": "odd",
            "required": ["@id", "maybe"],
            "properties": {
                "@id": {"type": "integer", "x-column": "id"},
                "maybe": {"type": ["string", "null"], "x-personal": True},
                "levels": {"type": "object", "x-map": True, "additionalProperties": {"type": "integer"}},
                "mixed": {"type": "number", "x-mixed": ["string"]},
                "either": {"type": ["string", "integer"]},
            },
        }
    }
    return read_catalog_files(write_catalog(tmp_path_factory.mktemp("catalog"), SCHEMAS | more))


@pytest.fixture(scope="module")
def world_validator(world_files: CatalogFiles) -> Draft202012Validator:
    """The validator of that catalog."""
    return validator_of(world_files)


@given(fields=st.dictionaries(st.sampled_from([*SCHEMAS["lesson_started"]["properties"], "new"]), VALUES))
def test_valid_is_what_fits_the_columns_and_keeps_the_rules(
    world_files: CatalogFiles, world_validator: Draft202012Validator, fields: dict[str, Any]
) -> None:
    """Whatever values an event has in its fields."""
    fields.pop("anything", None)  # its values are expected in _rescued
    record = event("a", name="lesson:started", **{"user": "usr_1", **fields})
    event_type = world_files.catalog.by_key["lesson_started"]
    assert world_validator.is_valid(record) is not has_fault(event_type, world_files, [json.dumps(record)])


@pytest.mark.parametrize(
    ("fields", "is_valid"),
    [
        ({"@id": 1}, True),
        ({"@id": None}, False),
        ({}, False),
        ({"@id": 1, "maybe": "x", "levels": {"a": 1, "b": None}, "mixed": "x", "either": 3}, True),
        ({"@id": 1, "levels": {"a": "x"}}, False),
        ({"@id": 1, "mixed": True}, False),
        ({"@id": 1, "either": None, "mixed": None, "levels": None}, True),
        ({"@id": 1, "other": 1}, False),
    ],
)
def test_keywords_of_the_platform_are_followed(
    world_files: CatalogFiles, fields: dict[str, Any], *, is_valid: bool
) -> None:
    """Maps, mixed types, and what may be null; the schema has none of them."""
    assert validator_of(world_files).is_valid(event("a", name="odd", **fields)) is is_valid
    assert '"x-' not in json.dumps(bundle(world_files))


SENT = {"title": "push:sent", "properties": {"kind": {"type": "string"}, "payload": {"type": "object"}}}
NESTED = {"title": "push:sent", "properties": {"header": {"type": "object", "properties": {"n": {"type": "integer"}}}}}
PARTS = {"event_name": ["kind", "payload.action"]}


@pytest.mark.parametrize(
    ("schema", "envelope", "record", "is_valid"),
    [
        (SENT, PARTS, {"kind": "push", "payload": {"action": "sent"}}, True),
        (SENT, PARTS, {"kind": "push:sent"}, True),
        (SENT, PARTS, {"kind": "push:sent", "payload": {"action": ""}}, True),
        (SENT, PARTS, {"kind": "push:sent", "payload": {"action": "x"}}, False),
        (SENT, PARTS, {"kind": "push"}, False),
        (SENT, {"event_name": {"prefix": "push", "fields": "kind"}}, {"kind": "sent"}, True),
        (SENT, {"event_name": {"prefix": "push", "fields": "kind"}}, {"kind": "push:sent"}, False),
        (SENT, {"event_name": {"constant": "push:sent"}}, {}, True),
        (SENT, {"event_name": {"constant": "push:opened"}}, {}, False),
        (NESTED, {"event_uuid": "header.id"}, {"header": {"id": "u", "n": 1}, "event_name": "push:sent"}, True),
        (NESTED, {"event_uuid": "header.id"}, {"header": {"n": 1}, "event_name": "push:sent"}, False),
        (NESTED, {"event_uuid": "header.id"}, {"header": None, "event_name": "push:sent"}, False),
        (NESTED, {"event_uuid": {"hash": "body"}}, {"event_name": "push:sent"}, True),
        (NESTED, {"event_uuid": {"hash": ["header"]}}, {"event_name": "push:sent"}, False),
        (
            NESTED,
            {"created_at": {"field": "at", "unit": "iso8601"}},
            {"at": "2025-06-02", "event_name": "push:sent"},
            True,
        ),
        (NESTED, {"created_at": {"field": "at", "unit": "iso8601"}}, {"at": 1, "event_name": "push:sent"}, False),
        (NESTED, {}, {"event_name": "push:sent", "created_at": "1748865600"}, True),
        (NESTED, {}, {"event_name": "push:sent", "created_at": "today"}, False),
        (NESTED, {}, {"event_name": "push:sent", "event_uuid": ""}, False),
    ],
)
def test_the_fields_of_the_envelope_are_where_it_says(
    tmp_path: Path, schema: dict[str, Any], envelope: dict[str, Any], record: dict[str, Any], *, is_valid: bool
) -> None:
    """The id, the time, and a name of one field or more."""
    files = read_catalog_files(write_catalog(tmp_path, {"a": schema}, envelope or None))
    common = {"event_uuid": "u", "created_at": 1748865600}
    for key in ("event_uuid", "created_at"):
        if key in envelope:
            del common[key]
    assert validator_of(files).is_valid(common | record) is is_valid


def test_the_command_writes_one_file_and_checks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second export changes nothing; a catalog that did is shown as a diff, and ends with 1."""
    catalog = write_catalog(tmp_path / "catalog", SCHEMAS)
    monkeypatch.setenv("EVENT_PLATFORM_CATALOG", str(catalog))
    target = tmp_path / "events.schema.json"
    assert "3 event types; 1 file written" in call("export", "jsonschema", "--to", str(target), code=0)
    assert "0 files would change" in call("export", "jsonschema", "--to", str(target), "--check", code=0)
    write_catalog(catalog, {"more": {"title": "more", "description": "{[/red]"}})
    assert '+      "description": "{[/red]"' in call("export", "jsonschema", "--to", str(target), "--check", code=1)
    assert "more" not in json.loads(target.read_text(encoding="utf-8"))["$defs"]


def test_the_page_of_the_documentation_shows_how_to_validate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its Python says what an event lacks."""
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    call("export", "jsonschema", "--to", "exports/events.schema.json", code=0)
    capsys.readouterr()
    exec(code, {})  # noqa: S102 - it is ours
    assert '"user_id" is a required property' in capsys.readouterr().out

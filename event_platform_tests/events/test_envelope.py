"""`envelope.yaml`: the location of the three common fields, and one clear line for each fault."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from event_platform.events.envelope import Envelope, RecordsPath, TimeUnit
from event_platform.events.envelope_file import load_envelope, to_document
from event_platform.events.errors import CatalogError


def envelope(folder: Path, text: str | bytes) -> Envelope:
    """Write an envelope and load it."""
    path = folder / "envelope.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_envelope(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("{}", Envelope(), id="nothing is said"),
        pytest.param("event_uuid: id", Envelope(event_uuid=(("id",),)), id="one field"),
        pytest.param("event_uuid: header.ids.own", Envelope(event_uuid=(("header", "ids", "own"),)), id="in an object"),
        pytest.param("event_name: type", Envelope(event_name=(("type",),)), id="one name"),
        pytest.param("event_name: [type, p.a]", Envelope(event_name=(("type",), ("p", "a"))), id="two names"),
        pytest.param("created_at: at", Envelope(created_at=("at",)), id="a time in seconds"),
        pytest.param("created_at: {field: at}", Envelope(created_at=("at",)), id="a time without a unit"),
        pytest.param("created_at: {field: at, unit: ms}", Envelope(created_at=("at",), unit=TimeUnit.MILLISECONDS)),
        pytest.param("created_at: {field: at, unit: us}", Envelope(created_at=("at",), unit=TimeUnit.MICROSECONDS)),
        pytest.param(
            "created_at: {field: h.at, unit: iso8601}", Envelope(created_at=("h", "at"), unit=TimeUnit.ISO8601)
        ),
        pytest.param('event_uuid: ["event.id"]', Envelope(event_uuid=(("event.id",),)), id="a dot in a key"),
        pytest.param("event_uuid: [a, b.c]", Envelope(event_uuid=(("a",), ("b", "c"))), id="an id of two fields"),
        pytest.param(
            'event_uuid: [["a", "b.c"], d]', Envelope(event_uuid=(("a", "b.c"), ("d",))), id="keys, and a field"
        ),
        pytest.param("event_uuid: {hash: body}", Envelope(event_uuid=(), is_hashed=True), id="a hash of the body"),
        pytest.param("event_uuid: {hash: [a, created_at]}", Envelope((("a",), ("created_at",)), is_hashed=True)),
        pytest.param("event_name: {constant: a b}", Envelope(event_name=(), name_prefix="a b"), id="always one name"),
        pytest.param(
            "event_name: {fields: [a, b], prefix: p}",
            Envelope(event_name=(("a",), ("b",)), name_prefix="p"),
            id="a prefix",
        ),
        pytest.param("created_at: {field: [a.b], unit: ns}", Envelope(created_at=("a.b",), unit=TimeUnit.NANOSECONDS)),
        pytest.param(
            "created_at: {field: at, format: '%d.%m.%Y', timezone: Europe/Berlin}",
            Envelope(created_at=("at",), unit=TimeUnit.ISO8601, time_format="%d.%m.%Y", timezone="Europe/Berlin"),
        ),
        pytest.param("records: '[]'", Envelope(), id="an array is read without being said"),
        pytest.param(
            "{records: 'logEvents[].message', context: logGroup}",
            Envelope(records=RecordsPath((("logEvents", True), ("message", False)), (("logGroup", ("logGroup",)),))),
        ),
        pytest.param(
            "{records: 'a[]', context: {group: logGroup, log_id: head.id}}",
            Envelope(records=RecordsPath((("a", True),), (("group", ("logGroup",)), ("log_id", ("head", "id"))))),
            id="fields around records under other keys",
        ),
        pytest.param("event_uuid: größe.猫", Envelope(event_uuid=(("größe", "猫"),)), id="any letters"),
    ],
)
def test_each_field_may_be_anywhere(tmp_path: Path, text: str, expected: Envelope) -> None:
    """What is left out is as in the default envelope."""
    assert envelope(tmp_path, text) == expected


def test_without_a_file_the_default_envelope_holds(tmp_path: Path) -> None:
    """`event_uuid`, `event_name` and `created_at` in Unix seconds, at the top of the record."""
    expected = Envelope((("event_uuid",),), (("event_name",),), ("created_at",), TimeUnit.SECONDS)
    assert load_envelope(tmp_path / "envelope.yaml") == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("event_uuid: [", "not YAML: "),
        (b'event_uuid: "\xff"', "not YAML: "),
        ("", "expected the keys event_uuid, event_name and created_at"),
        ("[event_uuid]", "expected the keys event_uuid, event_name and created_at"),
        ("uuid: id", "uuid: unknown key; expected event_uuid, event_name, created_at, records, context, path_columns"),
        (
            "{1: id, uuid: id}",
            "1: unknown key; expected event_uuid, event_name, created_at, records, context, path_columns",
        ),
        ("event_uuid:", "event_uuid: expected a field such as event_uuid or header.id, got None"),
        ("event_uuid: 7", "event_uuid: expected a field such as event_uuid or header.id, got 7"),
        ("event_uuid: []", "event_uuid: expected one or more fields, got none"),
        ("event_uuid: {hash: []}", "event_uuid.hash: expected one or more fields, got none"),
        ("event_uuid: {sha: body}", "event_uuid: expected a field, several, {hash: body} or {hash: [field, …]}"),
        ("event_name: {prefix: a}", "event_name: expected a field, several, {fields: …, prefix: …} or {constant: …}"),
        ("event_name: {constant: 7}", "event_name.constant: expected a text, got 7"),
        ("created_at: {field: at, format: ISO}", "created_at.format: expected a date and a time such as '%Y-%m-%d"),
        ("created_at: {field: at, format: '%Y', unit: s}", "created_at.format: a time in a format has no unit, got s"),
        ("created_at: {field: at, timezone: Mars}", "created_at.timezone: expected a name such as Europe/Berlin"),
        ("created_at: {field: at, timezone: UTC, unit: s}", "created_at.timezone: Unix time has no time zone"),
        ("records: a[0]", "records: expected a path such as Records[] or logEvents[].message, got 'a[0]'"),
        ("records: 7", "records: expected a path such as Records[] or logEvents[].message, got 7"),
        ("context: [a]", "context: expected records as well: without a wrapper there is nothing around them"),
        ("event_uuid: a..b", "event_uuid: expected a field such as event_uuid or header.id, got 'a..b'"),
        ("event_uuid: a.", "event_uuid: expected a field such as event_uuid or header.id, got 'a.'"),
        ("event_name: []", "event_name: expected one or more fields, got none"),
        ("event_name: [type, 7]", "event_name: expected a field such as event_uuid or header.id, got 7"),
        (
            "created_at: 7",
            "created_at: expected {field: …, unit: s | ms | us | ns | iso8601 | auto}, {field: …, format: …}",
        ),
        (
            "created_at: {unit: s}",
            "created_at: expected {field: …, unit: s | ms | us | ns | iso8601 | auto}, {field: …, format: …}",
        ),
        (
            "created_at: {field: at, units: s}",
            "created_at: expected {field: …, unit: s | ms | us | ns | iso8601 | auto}, {field: …, format: …}",
        ),
        ("created_at: {field: '', unit: s}", "created_at.field: expected a field such as event_uuid or header.id"),
        ("created_at: {field: at, unit: h}", "created_at.unit: 'h' is not one of s, ms, us, ns, iso8601, auto"),
        ("created_at: {field: at, unit: }", "created_at.unit: None is not one of s, ms, us, ns, iso8601, auto"),
        ("created_at: {field: at, unit: [s]}", "created_at.unit: ['s'] is not one of s, ms, us, ns, iso8601, auto"),
    ],
)
def test_a_fault_is_one_line_that_names_file_and_key(tmp_path: Path, text: str | bytes, fault: str) -> None:
    """And says what was expected."""
    with pytest.raises(CatalogError) as failure:
        envelope(tmp_path, text)
    (line,) = str(failure.value).splitlines()
    assert line.startswith(f"{tmp_path / 'envelope.yaml'}: {fault}")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{event_uuid: id, created_at: id}", "created_at: id overlaps with event_uuid: id"),
        ("{event_uuid: id, created_at: id.at}", "created_at: id.at overlaps with event_uuid: id"),
        ("{event_uuid: head.id, event_name: head}", "event_name: head overlaps with event_uuid: head.id"),
        ("event_name: [type, action, type]", "event_name: type overlaps with event_name: type"),
        ("event_name: created_at", "created_at: created_at overlaps with event_name: created_at"),
    ],
)
def test_two_fields_cannot_be_in_one_place(tmp_path: Path, text: str, fault: str) -> None:
    """No value is an identifier and a time, or a text that has fields of its own."""
    with pytest.raises(CatalogError, match=f": {fault}; each needs a field of its own$"):
        envelope(tmp_path, text)


def test_fields_of_one_object_are_apart(tmp_path: Path) -> None:
    """Also where one's name is the beginning of another's."""
    parsed = envelope(tmp_path, "{event_uuid: head.id, event_name: [head.id_type, header], created_at: head.at}")
    assert parsed.event_name == (("head", "id_type"), ("header",))


@pytest.mark.parametrize(
    ("text", "consumed"),
    [
        ("{}", {"event_uuid", "event_name", "created_at"}),
        ("{event_uuid: id, event_name: [type], created_at: at}", {"id", "type", "at"}),
        ("{event_uuid: head.id, event_name: head.type, created_at: at}", {"at"}),
        ("{event_uuid: id, event_name: [type, action]}", {"id", "created_at"}),
        ("{event_uuid: id, created_at: {field: at, unit: us}}", {"id", "event_name", "at"}),
        ("{event_uuid: id, created_at: {field: at, unit: ns}}", {"id", "event_name"}),
    ],
)
def test_what_the_event_columns_hold_whole_is_no_payload(tmp_path: Path, text: str, consumed: set[str]) -> None:
    """Parts of a joined name cannot be told from it again, and an object may hold more than the field."""
    assert envelope(tmp_path, text).consumed == consumed


def test_an_envelope_of_earlier_releases_has_the_definition_that_it_had(tmp_path: Path) -> None:
    """Tables are rebuilt if it changes. New settings are in it only if they are set."""
    parsed = envelope(
        tmp_path, "{event_uuid: id, event_name: [type, payload.action], created_at: {field: at, unit: ms}}"
    )
    assert parsed.definition == (
        "Envelope(event_uuid=('id',), event_name=(('type',), ('payload', 'action')), created_at=('at',), "
        "unit=<TimeUnit.MILLISECONDS: 'ms'>)"
    )
    hashed = envelope(tmp_path, "event_uuid: {hash: body}")
    assert hashed.definition == Envelope().definition.replace("('event_uuid',)", "()")[:-1] + ", is_hashed=True)"


_KEYS = st.text(st.sampled_from("ab.[]$ ü"), min_size=1, max_size=4)
_PATHS = st.lists(_KEYS, min_size=1, max_size=3).map(tuple)


@given(
    st.lists(_PATHS, min_size=1, max_size=3, unique=True),
    st.booleans(),
    st.sampled_from(["", "github"]),
    st.sampled_from(TimeUnit),
    st.sampled_from(
        [None, RecordsPath((("Records", True),)), RecordsPath((("a.b", True), ("c", False)), (("g", ("g",)),))]
    ),
)
def test_what_is_written_of_an_envelope_is_what_is_read(
    paths: list[tuple[str, ...]], is_hashed: bool, prefix: str, unit: TimeUnit, records: RecordsPath | None
) -> None:
    """Whatever keys there are, dots among them."""
    ids, names = tuple(("id", *path) for path in paths), tuple(("name", *path) for path in paths)
    expected = Envelope(ids, names, ("at", *paths[0]), unit, is_hashed=is_hashed, name_prefix=prefix, records=records)
    written = yaml.safe_dump(to_document(expected), allow_unicode=True)
    with TemporaryDirectory() as folder, suppress_overlaps():
        assert envelope(Path(folder), written) == expected


@contextmanager
def suppress_overlaps() -> Iterator[None]:
    """Let a path within another be refused, as it should be."""
    try:
        yield
    except CatalogError as error:
        if "overlaps" not in str(error):
            raise

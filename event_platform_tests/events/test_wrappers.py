"""Records in wrappers: each becomes a separate record, and damaged ones are reported."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_platform.events.corruption import MAX_RECORD_BYTES
from event_platform.events.envelope import Envelope, FieldPath, RecordsPath
from event_platform.events.reader import EnvelopeReader
from event_platform.events.wrappers import open_reader
from event_platform_tests.support.world import event, gzipped, ndjson

READER = EnvelopeReader(Envelope())


def read(path: str, data: bytes | str, *context: tuple[str, FieldPath]) -> list[tuple[str | None, str | None]]:
    """Return id and fault of each record that is at a path of wrappers."""
    return rows(path, data, *context)[0]


def rows(
    path: str, data: bytes | str, *context: tuple[str, FieldPath]
) -> tuple[list[tuple[str | None, str | None]], list[str]]:
    """Return id and fault of each record, and the bodies."""
    steps = tuple((step.removesuffix("[]"), step.endswith("[]")) for step in path.split("."))
    frame = open_reader(Envelope(records=RecordsPath(steps, context))).read(
        data.encode() if isinstance(data, str) else data
    )
    return frame.select("event_uuid", "fault").rows(), frame["body"].to_list()


def wrapped(*records: Any, **around: Any) -> str:
    """Return records as CloudTrail exports them."""
    return json.dumps({**around, "Records": records})


@pytest.mark.parametrize("between", ["\n", "", " ", "\n\n"])
@pytest.mark.parametrize("indent", [None, 2])
def test_each_element_is_a_record(between: str, indent: int | None) -> None:
    """Of several wrappers, on a line each, behind each other, or over many lines."""
    wrappers = [{"Records": [event("a"), event("b")]}, {"Records": []}, {"Records": [event("c")]}]
    pieces_read = read("Records[]", between.join(json.dumps(wrapper, indent=indent) for wrapper in wrappers))
    assert pieces_read == [("a", None), ("b", None), ("c", None)]


@given(
    st.lists(st.lists(st.dictionaries(st.text(max_size=4), st.text(max_size=4) | st.none() | st.lists(st.integers())))),
)
def test_a_wrapper_changes_no_record(wrappers: list[list[dict[str, Any]]]) -> None:
    """They are the same as records on lines."""
    records = [json.dumps(record) for wrapper in wrappers for record in wrapper]
    data = "\n".join(f'{{"x": [1], "Records": [{", ".join(map(json.dumps, wrapper))}]}}' for wrapper in wrappers)
    plain = READER.read("\n".join(records).encode())
    steps = RecordsPath((("Records", True),))
    assert open_reader(Envelope(records=steps)).read(data.encode()).equals(plain)


def test_a_text_is_read_as_json() -> None:
    """CloudWatch and SNS put records into texts; what is no JSON there is corrupt by itself."""
    events = [{"id": "1", "message": json.dumps(event("a"))}, {"id": "2", "message": "START of it"}]
    data = json.dumps(
        {"logGroup": "g", "logEvents": [*events, {"id": "3", "message": json.dumps(event("b"), indent=1)}]}
    )
    found, bodies = rows("logEvents[].message", data)
    assert found == [("a", None), (None, "not_json"), ("b", None)]
    assert bodies[1] == "START of it"
    nested = json.dumps({"Message": json.dumps({"Records": [event("c")]})})
    assert read("Message.Records[]", nested) == [("c", None)]


def test_a_text_in_base64_may_hold_several_records() -> None:
    """As in what Firehose writes where it could not deliver."""
    raw = base64.b64encode(ndjson(event("a"), event("b"))).decode()
    assert read("rawData", json.dumps({"errorCode": "x", "rawData": raw})) == [("a", None), ("b", None)]


def test_what_is_in_base64_may_be_gzipped() -> None:
    """As a message of CloudWatch Logs that Firehose could not transform. Nothing of another is dropped."""
    large = gzipped(bytes(MAX_RECORD_BYTES + 1))
    message = gzipped(json.dumps({"logEvents": [{"message": json.dumps(event("a"))}]}).encode())
    raw = [base64.b64encode(data).decode() for data in (message, message[:-9], message * 2, large)]
    found, bodies = rows("rawData.logEvents[].message", ndjson(*({"rawData": each} for each in raw)))
    assert found == [("a", None), *[(None, "missing_records")] * 3]
    assert [json.loads(body) for body in bodies[1:]] == raw[1:]
    assert read("rawData", json.dumps({"rawData": base64.b64encode(gzipped(ndjson(event("b")))).decode()})) == [
        ("b", None)
    ]


def test_fields_of_the_wrapper_are_taken_along() -> None:
    """Those around a record, the nearest first; a record keeps a field that it has itself."""
    data = json.dumps(
        {
            "logGroup": "g",
            "owner": {"id": 7},
            "logEvents": [
                {"id": "1", "message": json.dumps(event("a"))},
                {"id": "2", "message": '{"logGroup": "own", "event_uuid": "b"}'},
                {"id": "3", "message": "{}"},
            ],
        }
    )
    _, bodies = rows(
        "logEvents[].message", data, ("logGroup", ("logGroup",)), ("id", ("owner", "id")), ("x", ("absent",))
    )
    assert [json.loads(body) for body in bodies] == [
        {"logGroup": "g", "id": 1 * 7, **event("a")},
        {"id": 7, "logGroup": "own", "event_uuid": "b"},
        {"logGroup": "g", "id": 7},
    ]
    _, bodies = rows("logEvents[].message", data, ("log_event", ("id",)))
    assert [json.loads(body)["log_event"] for body in bodies] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("wrapper", "fault"),
    [
        ('{"Records": [{"event_uuid": "x"}', "not_json"),
        ('{"Records": 7}', "missing_records"),
        ('{"Records": null}', "missing_records"),
        ('{"Records": "no"}', "missing_records"),
        ('{"other": []}', "missing_records"),
        ("{}", "missing_records"),
        ("[7]", "not_an_object"),
    ],
)
def test_a_damaged_wrapper_is_one_corrupt_record(wrapper: str, fault: str) -> None:
    """Its neighbours are not affected, and its text is kept."""
    found, bodies = rows("Records[]", "\n".join([wrapped(event("a")), wrapper, wrapped(event("b"))]))
    assert found == [("a", None), (None, fault), ("b", None)]
    assert bodies[1] == wrapper


def test_an_element_that_is_no_record_is_one_by_itself() -> None:
    """In its place."""
    found, _ = rows("Records[]", wrapped(None, event("a"), 7, [event("x")], "text", None, event("b")))
    faults = ["not_an_object", None, "not_an_object", "not_an_object", "not_json", "not_an_object", None]
    assert [fault for _, fault in found] == faults
    missing, bodies = rows("Records[].detail", wrapped({"detail": event("a")}, {"id": 1}))
    assert missing == [("a", None), (None, "missing_records")]
    assert bodies[1] == '{"id": 1}'


def test_half_a_surrogate_pair_spoils_no_wrapper() -> None:
    """It is in one element, whose body is verbatim."""
    cut = r'{"event_uuid": "a", "text": "caf\ud83d"}'
    found, bodies = rows("Records[]", f'{{"Records": [{cut}, {json.dumps(event("b"))}]}}')
    assert found == [("a", None), ("b", None)]
    assert bodies[0] == cut


def test_of_a_large_wrapper_that_is_damaged_the_beginning_is_kept() -> None:
    """Its records are no record."""
    data = json.dumps({"other": "x" * (11 << 20)})
    found, bodies = rows("Records[]", data)
    assert found == [(None, "missing_records")]
    assert bodies == [data[:4096]]


def test_a_wrapper_may_be_larger_than_a_record_may() -> None:
    """It holds many."""
    records = [event(f"u{number}", plan="x" * (1 << 20)) for number in range(12)]
    assert [uuid for uuid, _ in read("Records[]", wrapped(*records))] == [f"u{number}" for number in range(12)]

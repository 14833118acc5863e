"""`event-platform init`: its proposal for a sample, and its output."""

import base64
import json
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from click.testing import CliRunner, Result

from event_platform.cli.main import main
from event_platform_tests.support.s3 import put
from event_platform_tests.support.world import MONDAY, gzipped, ndjson, noon


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a landing."""
    monkeypatch.chdir(tmp_path)
    for variable in ("LANDING", "CATALOG", "START_DATE"):
        monkeypatch.delenv(f"EVENT_PLATFORM_{variable}", raising=False)
    return tmp_path


def land(*records: dict[str, Any] | str, hour: int = 12) -> None:
    """Land records as one object that arrived on Monday."""
    path = Path("data/landing", f"{MONDAY:%Y/%m/%d}/{hour:02}", "a.gz")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzipped(ndjson(*records)))


def init(*options: str, answer: str | None = None) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["init", *options], input=answer)


def proposed(*records: dict[str, Any] | str) -> dict[str, Any]:
    """Land records, and return the envelope that is written for them."""
    land(*records)
    result = init("--yes")
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = yaml.safe_load(Path("catalog/envelope.yaml").read_text())
    return document


def viewed(number: int, **fields: Any) -> dict[str, Any]:
    """Return a record of a stream with names of its own."""
    return {"id": str(UUID(int=number << 90)), "event": f"page_{number % 3}", "ts": noon(MONDAY) + number, **fields}


def test_id_name_and_time_are_found_with_the_unit() -> None:
    """By their values and by their keys."""
    records = [viewed(number, ts=(noon(MONDAY) + number) * 1000, user=number % 5) for number in range(40)]
    assert proposed(*records) == {
        "event_uuid": "id",
        "event_name": "event",
        "created_at": {"field": "ts", "unit": "ms"},
    }


def test_a_repeated_record_does_not_make_an_id_none() -> None:
    """Redelivery is what streams do."""
    assert proposed(*[viewed(number // 2) for number in range(40)])["event_uuid"] == "id"


def test_an_id_that_is_not_unique_gets_a_second_field() -> None:
    """As of an audit, whose stages have one id."""
    stages = ("received", "completed")
    records = [viewed(number // 2, stage=stages[number % 2], n=number) for number in range(60)]
    assert proposed(*records)["event_uuid"] == ["id", "stage"]


def test_a_stream_without_an_id_is_known_by_its_records() -> None:
    """A session is no id, even if it is alone in a sample."""
    records = [
        {"session_id": f"s{number % 7}", "event": "a", "ts": noon(MONDAY) + number // 3, "x": number}
        for number in range(30)
    ]
    assert proposed(*records)["event_uuid"] == {"hash": "body"}


@pytest.mark.parametrize("path", ["anonymousId", "trace_id", "requestId", "user.id"])
def test_the_id_of_something_else_is_none_even_where_each_record_has_another(path: str) -> None:
    """A visitor who comes back would be a duplicate. It is named, for who knows better."""
    key, _, below = path.partition(".")
    records = [{"event": "a", "ts": noon(MONDAY) + number, key: str(UUID(int=number << 90))} for number in range(30)]
    land(*[{**record, key: {below: record[key]}} if below else record for record in records])
    output = init("--yes").output
    assert "event_uuid: {hash: body}\n" in output
    assert f"Else: {path}." in output


def test_an_id_that_some_records_lack_is_named() -> None:
    """With the share: they would be corrupt."""
    records = [{**viewed(number), "x": number % 7} for number in range(40)]
    del records[7]["id"]
    land(*records)
    output = init("--yes").output
    assert "event_uuid: {hash: body}\n" in output
    assert "Else: id (missing in 2.5% of the records)." in output


def test_spans_of_opentelemetry_are_records_and_their_attributes_are_not() -> None:
    """Even if each span has one attribute, and its only times are start and end."""
    spans = [
        {
            "traceId": f"{number // 3:032x}",
            "spanId": f"{number:016x}",
            "name": ("GET", "POST")[number % 2],
            "startTimeUnixNano": str((noon(MONDAY) + number) * 10**9),
            "endTimeUnixNano": str((noon(MONDAY) + number) * 10**9 + 5),
            "attributes": [{"key": "user", "value": {"intValue": str(number)}}],
        }
        for number in range(60)
    ]
    batches = [
        {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": spans[start : start + 6]}]}]}
        for start in range(0, 60, 6)
    ]
    proposals = proposed(*batches)
    assert proposals["records"] == "resourceSpans[].scopeSpans[].spans[]"
    assert proposals["event_uuid"] == ["traceId", "spanId"]
    assert proposals["event_name"] == "name"
    assert proposals["created_at"] == {"field": "startTimeUnixNano", "unit": "ns"}


def test_cloudevents_in_the_headers_of_kafka_have_their_type_as_name() -> None:
    """And not the topic, which all of them share."""
    records = [
        {
            "topic": "shop",
            "headers": {
                "ce_id": str(UUID(int=number << 90)),
                "ce_type": ("com.shop.order.placed", "com.shop.cart.opened")[number % 2],
                "ce_time": f"2025-06-02T12:00:{number:02}.5+02:00",
            },
            "value": base64.b64encode(json.dumps({"total": number}).encode()).decode(),
        }
        for number in range(40)
    ]
    assert proposed(*records) == {
        "records": "value",
        "context": ["topic", "headers"],
        "event_uuid": "headers.ce_id",
        "event_name": "headers.ce_type",
        "created_at": {"field": "headers.ce_time", "unit": "iso8601"},
    }


def test_a_stream_of_one_type_has_a_constant_name() -> None:
    """The name of the folder that it lands in, unless that is meaningless."""
    assert proposed(*[{"id": f"{number:032x}", "at": noon(MONDAY)} for number in range(9)])["event_name"] == {
        "constant": "event"
    }


def test_a_time_in_a_format_of_its_own_is_found() -> None:
    """Of web servers, for one."""
    records = [viewed(number, ts=f"02/Jun/2025:12:00:{number:02} +0200") for number in range(20)]
    assert proposed(*records)["created_at"] == {"field": "ts", "format": "%d/%b/%Y:%H:%M:%S %z"}


def test_records_in_a_wrapper_are_found() -> None:
    """With what is around them."""
    records = [viewed(number) for number in range(20)]
    assert proposed(
        {"account": "a", "signatureUrl": "s", "Records": records[:10]}, {"account": "b", "Records": records[10:]}
    ) == {
        "records": "Records[]",
        "context": ["account"],
        "event_uuid": "id",
        "event_name": "event",
        "created_at": {"field": "ts", "unit": "s"},
    }


def test_a_bucket_is_looked_at_as_a_folder_is(bucket: str) -> None:
    """Some of its days are, from the first to the last."""
    for day in range(1, 29):
        records = ndjson(*[viewed(100 * day + number, ts=noon(date(2025, 6, day))) for number in range(5)])
        put(bucket, f"events/tenant=acme/dt=2025-06-{day:02}/a.gz", gzipped(records))
    result = init("--yes", "--landing", f"s3://{bucket}/events")
    assert result.exit_code == 0, result.output
    assert "Looked at 25 records of 5 objects that arrived on 2025-06-01 to 2025-06-28." in result.output
    assert yaml.safe_load(Path("catalog/envelope.yaml").read_text())["event_uuid"] == "id"
    assert f"EVENT_PLATFORM_LANDING=s3://{bucket}/events" in Path(".env").read_text()


def test_each_choice_is_shown_with_its_figures_and_is_a_comment_in_the_file() -> None:
    """And values are masked: an id may be that of a person."""
    land(*[viewed(number, other_time=noon(MONDAY)) for number in range(20)])
    output = init("--yes").output
    assert "Looked at 20 records of 1 object that arrived on 2025-06-02." in output
    assert "id: in 100.0% of the records, distinct in 100.00%: 000000… (36 characters)" in output
    assert "Else: the hash of the body." in output
    assert "3 names." in output
    text = Path("catalog/envelope.yaml").read_text()
    assert "# id: in 100.0% of the records, distinct in 100.00%: 000000… (36 characters)" in text
    assert viewed(7)["id"] not in text + output


@pytest.mark.parametrize(("hour", "hint"), [(12, False), (14, True), (7, True)])
def test_the_time_zone_of_paths_is_shown_by_the_events(hour: int, *, hint: bool) -> None:
    """Hours that are ahead of the events, or behind them."""
    land(*[viewed(number) for number in range(20)], hour=hour)
    output = " ".join(init("--yes").output.split())
    side = "before" if hour > 11 else "after"
    assert f"the last event of an object is {abs(hour - 11):.1f} hours {side} the hour of its path ends" in output
    assert ("name it in EVENT_PLATFORM_LANDING_TIMEZONE" in output) is hint


def test_what_commands_need_is_in_env_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that draft and run need no variable."""
    monkeypatch.setenv("EVENT_PLATFORM_LANDING", "data/landing")
    land(viewed(1), viewed(2))
    Path(".env").write_text("OTHER=1")
    init("--yes")
    assert Path(".env").read_text().split() == [
        "OTHER=1",
        "EVENT_PLATFORM_CATALOG=catalog",
        "EVENT_PLATFORM_START_DATE=2025-06-02",
    ]


def test_of_two_that_are_equally_good_the_user_chooses_one() -> None:
    """`--yes` takes the first; without an answer, it is an error that names both."""
    land(
        *[
            {"uuid": f"{number:032x}", "guid": f"{number + 99:032x}", "event": "a", "ts": noon(MONDAY)}
            for number in range(9)
        ]
    )
    result = init()
    assert result.exit_code == 2
    assert "event_uuid: uuid and guid fit equally well; choose one, or take the first with --yes" in result.output
    assert not Path("catalog/envelope.yaml").exists()
    assert init(answer="2\n").exit_code == 0
    assert yaml.safe_load(Path("catalog/envelope.yaml").read_text())["event_uuid"] == "guid"


def test_an_envelope_that_is_there_is_not_replaced() -> None:
    """Unless that is asked for."""
    land(viewed(1), viewed(2))
    Path("catalog").mkdir()
    Path("catalog/envelope.yaml").write_text("event_uuid: mine\n")
    assert "catalog/envelope.yaml: exists; --force replaces it" in init("--yes").output
    assert Path("catalog/envelope.yaml").read_text() == "event_uuid: mine\n"
    assert init("--yes", "--force").exit_code == 0
    assert "event_uuid: id" in Path("catalog/envelope.yaml").read_text()


@pytest.mark.parametrize(
    ("records", "fault"),
    [
        (["{broken", "text"], "no record of 1 object is a JSON object"),
        ([{"id": "a"}, {"id": "b"}], "of 2 records, no field holds a time in nine of ten"),
        (
            [viewed(1), viewed(2, ts=noon(MONDAY) * 1000)],
            "ts: numbers of several units: 1 look like s, 1 look like ms",
        ),
    ],
)
def test_where_no_envelope_fits_it_says_why(records: list[dict[str, Any] | str], fault: str) -> None:
    """With what was read, and what to do."""
    land(*records)
    result = init("--yes")
    assert result.exit_code == 2
    assert fault in " ".join(result.output.split())
    assert not Path("catalog").exists()


def test_where_nothing_has_landed_it_says_so() -> None:
    """With the location."""
    Path("data/landing").mkdir(parents=True)
    assert "data/landing: nothing has landed yet" in init("--yes").output


def test_what_is_in_the_data_is_no_command_of_a_terminal() -> None:
    """Nor a line of the file."""
    evil = "x\n\x1b[2Jevent_uuid: evil"
    land(*[{**viewed(number), evil: f"{number:032x}", "kind": evil} for number in range(9)])
    output = init("--yes").output
    assert "\x1b" not in output
    assert json.loads(json.dumps(yaml.safe_load(Path("catalog/envelope.yaml").read_text())))["event_uuid"] == "id"

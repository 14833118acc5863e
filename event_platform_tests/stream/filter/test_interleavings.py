"""Whatever is delivered, repeated, interrupted and refused, and in which order: no event is lost."""

import json
from collections import Counter
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from event_platform.events.envelope import Envelope, RecordsPath
from event_platform.stream.filter.dead_letters import DeadLetterQueue
from event_platform.stream.filter.deliveries import read_record
from event_platform.stream.filter.filtering import Filter
from event_platform.stream.filter.parts import PartReader
from event_platform.stream.filter.seen import SeenEvents
from event_platform_tests.stream.filter.firehose import NOW, delivered, invocation, record
from event_platform_tests.support.world import event

DAY = 86_400


class AtOnce(Executor):
    """Calls what is submitted before `submit` returns, so that an example is the same each time."""

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        """Call a function."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments, **named))
        except ClientError as error:
            future.set_exception(error)
        return future


def refusal(code: str, **answer: Any) -> ClientError:
    """Return what botocore raises."""
    return ClientError({"Error": {"Code": code}, **answer}, "Call")  # type: ignore[typeddict-item]


@dataclass
class Stream:
    """A stream with its filter, its table and its queue, and a script of what happens at each step."""

    batches: list[list[dict[str, Any]]]
    envelope: Envelope
    script: Any  # data of hypothesis
    now: float = NOW
    items: dict[str, Any] = field(default_factory=dict)
    landed: list[bytes] = field(default_factory=list)
    errors: list[bytes] = field(default_factory=list)  # of invocations that Firehose gave up
    queued: list[Any] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    calm: bool = False
    depth: int = 0

    def next(self, *choices: str) -> str:
        """Return what happens next; the first choice once all is calm."""
        chosen: str = choices[0] if self.calm else self.script.draw(st.sampled_from(choices))
        return chosen

    def run(self) -> None:
        """Deliver all batches, each until it is accepted or given up."""
        self.waiting = list(range(len(self.batches)))
        for _ in range(2 * len(self.batches)):
            self.step()
        self.calm = True
        while self.waiting:
            self.step()

    def step(self) -> None:
        """Call the filter with a batch that waits, and accept its answer, lose it, or give the batch up."""
        if not self.waiting:
            return
        number = self.waiting[0] if self.calm else self.script.draw(st.sampled_from(self.waiting))
        call = invocation(*self.batches[number])
        records = [read_record(each) for each in call["records"]]
        answer = {"records": self.filter().filter(records, lambda: 60).results}
        outcome = self.next("accepted", "accepted", "lost", "given up", "days pass")
        if outcome == "days pass":
            self.now += 4 * DAY
        if number not in self.waiting or outcome in {"lost", "days pass"}:  # an invocation meanwhile was accepted
            return
        self.waiting.remove(number)
        if outcome == "accepted":
            self.landed.extend(data for data in delivered(call, answer) if data is not None)
        else:
            self.errors.extend(each.data or b"" for each in records)

    def filter(self) -> Filter:
        """Return a filter of this stream, as another process has it."""
        seen = SeenEvents(self, "seen", lambda: self.now)  # type: ignore[arg-type]
        queue = DeadLetterQueue(self, "queue")  # type: ignore[arg-type]
        return Filter(PartReader(self.envelope), seen, queue, AtOnce())

    def meanwhile(self) -> None:
        """Let another invocation run from its start to its end."""
        if self.depth < 2:
            self.depth += 1
            self.step()
            self.depth -= 1

    def put_item(self, **call: Any) -> None:
        """Do as DynamoDB does, or fail before or after that; others may be faster or slower."""
        outcome = self.next("done", "done", "meanwhile", "done and lost", "throttled")
        if outcome == "meanwhile":
            self.meanwhile()
        if outcome == "throttled":
            raise refusal("ThrottlingException")
        key, now = call["Item"]["event_uuid"]["S"], int(call["ExpressionAttributeValues"][":now"]["N"])
        old = self.items.get(key)
        if old is not None and int(old["expires_at"]["N"]) > now:
            raise refusal("ConditionalCheckFailedException", Item=old)
        self.items[key] = call["Item"]
        if outcome == "done and lost":
            raise refusal("InternalServerError")

    def send_message_batch(self, **call: Any) -> Any:
        """Do as SQS does, or take a part, or fail before or after that."""
        outcome = self.next("done", "done", "meanwhile", "done and lost", "some", "refused")
        if outcome == "meanwhile":
            self.meanwhile()
        if outcome == "refused":
            raise refusal("ServiceUnavailable")
        entries = call["Entries"][: 1 if outcome == "some" else None]
        self.queued.extend(json.loads(entry["MessageBody"]) for entry in entries)
        if outcome == "done and lost":
            raise refusal("InternalFailure")
        return {"Successful": [{"Id": entry["Id"]} for entry in entries]}


#: Few ids, and two bodies of each, so that they meet.
_EVENTS = st.sampled_from(
    [json.dumps(event(name, version=version)) for name, version in (("a", 1), ("a", 2), ("b", 1))]
)
_RECORDS = st.lists(_EVENTS, min_size=1, max_size=3)
_BATCHES = st.lists(st.lists(_RECORDS, min_size=1, max_size=2), min_size=1, max_size=3)


LINES, WRAPPED = Envelope(), Envelope(records=RecordsPath((("Records", True),)))


def numbered(batches: list[list[list[str]]], envelope: Envelope) -> list[list[dict[str, Any]]]:
    """Return the records of batches as those of a stream: an event a line, or all in a wrapper."""
    numbers = iter(range(1, 1_000))
    texts = [["\n".join(each) if envelope is LINES else _wrapper(each) for each in batch] for batch in batches]
    return [[record(next(numbers), each.encode()) for each in batch] for batch in texts]


def _wrapper(events: list[str]) -> str:
    return f'{{"Records": [{", ".join(events)}]}}'


def events_in(objects: list[bytes]) -> list[str]:
    """Return the events of what was delivered."""
    lines = [line for each in objects for line in each.decode().splitlines()]
    wrappers = [json.loads(line).get("Records") for line in lines]
    return [
        each
        for line, inner in zip(lines, wrappers, strict=True)
        for each in (map(json.dumps, inner) if inner else [line])
    ]


@pytest.mark.parametrize("envelope", [LINES, WRAPPED], ids=["lines", "wrapped"])
@settings(max_examples=100)
@given(batches=_BATCHES, script=st.data())
def test_no_event_is_lost(envelope: Envelope, batches: list[list[list[str]]], script: st.DataObject) -> None:
    """Each has landed, or is in Firehose's error output; dropped ones are in the queue, with survivors elsewhere."""
    stream = Stream(numbered(batches, envelope), envelope, script)
    stream.run()
    sent_events = [line for batch in batches for each in batch for line in each]
    landed_events = events_in([*stream.landed, *stream.errors])
    assert {*sent_events} == {*landed_events}
    bodies = [*{(letter["record"], letter["number"]): letter["body"] for letter in stream.queued}.values()]
    for body in {*sent_events}:
        assert 0 <= sent_events.count(body) - landed_events.count(body) <= bodies.count(body)


@pytest.mark.parametrize("envelope", [LINES, WRAPPED], ids=["lines", "wrapped"])
@given(batches=_BATCHES)
def test_without_faults_each_body_lands_once_or_as_a_conflict(
    envelope: Envelope, batches: list[list[list[str]]]
) -> None:
    """The first body of an id lands once; the others are conflicts, and all of them land, as do whole wrappers."""
    stream = Stream(numbered(batches, envelope), envelope, None, calm=True)
    stream.run()
    sent_events = [line for batch in batches for each in batch for line in each]
    first = {json.loads(line)["event_uuid"]: line for line in reversed(sent_events)}
    expected = Counter([*first.values(), *(line for line in sent_events if line not in first.values())])
    landed = Counter(events_in(stream.landed))
    assert landed == expected if envelope is LINES else landed >= expected
    assert len(stream.queued) == len(sent_events) - landed.total()

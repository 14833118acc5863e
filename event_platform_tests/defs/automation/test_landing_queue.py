"""The landing sensor looks where S3's messages point, and needs none of them: what they do not tell is found too."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import dagster as dg
import pytest

from event_platform.defs.automation.ticks import is_time_to_look
from event_platform.defs.resources.platform import FolderLakeResource
from event_platform.defs.resources.s3 import S3LandingResource
from event_platform.environment import Environment, EnvironmentName
from event_platform.events.errors import StorageError
from event_platform.landing.landing import Landing
from event_platform.landing.notifications import landing_queue
from event_platform.pipeline.opening import open_landing
from event_platform_tests.defs.automation.requests.ticking import asked, reconcile, tick
from event_platform_tests.support.s3 import REGION, client, put
from event_platform_tests.support.world import MONDAY, World, event, ndjson

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

NO_MESSAGE = "the queue has no message about an object; landing is listed every ten minutes"


@dataclass
class QueueWorld(World):
    """A world that lands in a bucket, which tells a queue; its lake is in a folder. Messages stay visible."""

    bucket: str = ""
    url: str = ""
    today: date = MONDAY

    @property
    def yesterday(self) -> date:
        """A day that a listing comes to last."""
        return self.today - timedelta(days=1)

    @property
    def old(self) -> date:
        """A day of long ago."""
        return self.today - timedelta(days=60)

    @property
    def environment(self) -> Environment:
        """The environment dev, with the queue."""
        here = replace(super().environment, name=EnvironmentName.DEV)
        return replace(here, landing=f"s3://{self.bucket}/landing", landing_queue=self.url)

    @property
    def landing(self) -> Landing:
        """The bucket's."""
        return open_landing(self.environment.landing)

    def put(self, day: date, name: str, *, told: bool = True) -> None:
        """Land an object, of which the queue is told or not."""
        if not told:
            self.tell([])
        put(self.bucket, f"landing/{day:%Y/%m/%d}/12/{name}", ndjson(event(name, day)))
        if not told:
            self.tell(["s3:ObjectCreated:*"])

    def tell(self, events: list[Any]) -> None:
        """Have the bucket tell the queue of some kinds of events."""
        arn = sqs().get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        queues: Any = [{"QueueArn": arn, "Events": events}] if events else []
        client().put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration={"QueueConfigurations": queues}
        )

    def send(self, body: str) -> None:
        """Send a message as somebody else."""
        sqs().send_message(QueueUrl=self.url, MessageBody=body)

    @property
    def messages(self) -> int:
        """How many messages are in the queue."""
        counts = sqs().get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        return int(counts["ApproximateNumberOfMessages"]) + int(counts["ApproximateNumberOfMessagesNotVisible"])


def sqs() -> "SQSClient":
    """Return a client."""
    return boto3.client("sqs", region_name=REGION)


@pytest.fixture
def here(world: World, bucket: str, today: date, monkeypatch: pytest.MonkeyPatch) -> QueueWorld:
    """An empty bucket, and a queue that it has told that it is told."""
    # A message comes again at once, not after minutes: so a tick receives one batch, or it would be the same again.
    monkeypatch.setattr("event_platform.landing.notifications._MOST_BATCHES", 1)
    url = sqs().create_queue(QueueName=f"{bucket}-landed", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
    found = QueueWorld(world.root, bucket=bucket, url=url, start_date=today - timedelta(days=90), today=today)
    found.tell(["s3:ObjectCreated:*"])
    return found


@pytest.fixture
def instance() -> dg.DagsterInstance:
    """Dagster, with nothing recorded."""
    return dg.DagsterInstance.ephemeral()


def listed(here: QueueWorld, seconds_ago: int = 0) -> str:
    """Return the cursor after a listing so long ago."""
    return f"{here.yesterday} {int(datetime.now(UTC).timestamp()) - seconds_ago}"


def test_a_message_leads_to_its_day_and_stays_until_its_object_is_in_the_ledger(
    here: QueueWorld, instance: dg.DagsterInstance
) -> None:
    """Also on a day that a listing comes to late, and none else; it is not asked for again, nor is landing listed."""
    here.put(here.yesterday, "untold", told=False)
    here.put(here.old, "a b+c%")  # as in a URL: a+b%2Bc%25
    cursor = listed(here)
    first, again = (tick(here, "landing_sensor", instance, cursor) for _ in range(2))
    assert asked(first) == asked(again) == [(str(here.old), str(here.old))]
    assert [each.run_key for each in first.run_requests or []] == [each.run_key for each in again.run_requests or []]
    assert first.cursor == cursor
    assert here.messages == 1
    here.load(here.old)
    assert tick(here, "landing_sensor", instance, cursor).skip_reason == dg.SkipReason("nothing new on 1 days")
    assert here.messages == 0


def test_without_a_message_nothing_is_listed_and_no_table_is_opened(
    here: QueueWorld, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the queue was made is no message of an object, nor is what lands beside landing, or goes."""
    here.put(here.today, "a", told=False)
    put(here.bucket, "errors/2025/06/02/x", b"x")
    here.tell(["s3:ObjectRemoved:*"])
    client().delete_object(Bucket=here.bucket, Key=f"landing/{here.today:%Y/%m/%d}/12/a")
    assert here.messages == 5

    def touched(_: object) -> None:
        raise AssertionError

    with monkeypatch.context() as untouched:
        for resource in (S3LandingResource, FolderLakeResource):
            untouched.setattr(resource, "open", touched)
        for _ in range(2):
            assert tick(here, "landing_sensor", instance, listed(here)).skip_reason == dg.SkipReason(NO_MESSAGE)
            assert here.messages == 0
        with pytest.raises(AssertionError):
            tick(here, "landing_sensor", instance, listed(here, 600))


def test_an_object_of_which_no_message_tells_is_found_all_the_same(
    here: QueueWorld, instance: dg.DagsterInstance
) -> None:
    """By the tick that lists landing every ten minutes, and by the daily reconciliation, which asks no queue."""
    here.put(here.today, "a", told=False)
    assert asked(tick(here, "landing_sensor", instance, listed(here, 300))) == []
    found = tick(here, "landing_sensor", instance, listed(here, 600))
    assert asked(found) == [(str(here.today), str(here.today))]
    assert not is_time_to_look(found.cursor, datetime.now(UTC) + timedelta(seconds=500))
    assert len(reconcile(here, instance).run_requests or []) == 1


@pytest.mark.parametrize(
    "cursor", ["", "nonsense", "2025-06-02", "2025-06-02 x", "2025-06-02 ²", "2025-06-02 99999999999"]
)
def test_a_cursor_without_a_time_that_has_been_lists_landing(cursor: str) -> None:
    """Such as the one of a sensor that had no queue yet, or of a clock that was wrong."""
    assert is_time_to_look(cursor, datetime.now(UTC))


def test_messages_that_have_nothing_to_wait_for_are_deleted(
    here: QueueWorld, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their object is gone, or lies outside the partitions, as the daily reconciliation tells; more than a batch."""
    monkeypatch.setattr("event_platform.landing.notifications._MOST_BATCHES", 3)
    sqs().set_queue_attributes(QueueUrl=here.url, Attributes={"VisibilityTimeout": "300"})
    for number in range(12):
        here.put(here.yesterday, f"{number}")
        client().delete_object(Bucket=here.bucket, Key=f"landing/{here.yesterday:%Y/%m/%d}/12/{number}")
    here.put(here.today - timedelta(days=400), "before")
    assert here.messages > 10
    assert asked(tick(here, "landing_sensor", instance, listed(here))) == []
    assert here.messages == 0


def test_an_object_without_a_date_in_its_path_is_looked_for_on_every_day(
    here: QueueWorld, instance: dg.DagsterInstance
) -> None:
    """It keeps the day on which it was first seen, which no message knows."""
    here.put(here.old, "a", told=False)
    put(here.bucket, "landing/undated", ndjson(event("u1", here.today)))
    days = [(str(day), str(day)) for day in (here.old, here.today)]
    assert asked(tick(here, "landing_sensor", instance, listed(here))) == days
    here.load(here.old, here.today)
    assert asked(tick(here, "landing_sensor", instance, listed(here))) == []
    assert here.messages == 0


def test_a_message_that_cannot_be_read_is_told_and_left_to_the_dead_letters(
    here: QueueWorld, instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is wrong with it; the others are heeded."""
    created = {"eventName": "ObjectCreated:Put"}
    elsewhere = {**created, "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}
    rubbish = {
        "not JSON": "JSON is malformed",
        json.dumps({"Records": [created]}): "missing required field `s3`",
        json.dumps({"Records": 1}): "Expected `array`",
        "{}": "expected a notification of S3",
        json.dumps({"Records": [elsewhere]}): f"it is about the bucket 'b', not '{here.bucket}'",
    }
    for body in rubbish:
        here.send(body)
    here.put(here.today, "a")
    assert asked(tick(here, "landing_sensor", instance, listed(here))) == [(str(here.today), str(here.today))]
    told = capsys.readouterr().err
    assert [reason for reason in rubbish.values() if reason not in told] == []
    here.load(here.today)
    tick(here, "landing_sensor", instance, listed(here))
    assert here.messages == len(rubbish)


def test_a_queue_that_does_not_answer_is_told_and_landing_is_listed(
    here: QueueWorld, instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    """As if there were none, until it does."""
    here.put(here.today, "a")
    here.url += "-elsewhere"
    assert asked(tick(here, "landing_sensor", instance, listed(here))) == [(str(here.today), str(here.today))]
    assert (
        f"EVENT_PLATFORM_LANDING_QUEUE: {here.url}: AWS.SimpleQueueService.NonExistentQueue" in capsys.readouterr().err
    )


def test_while_a_run_loads_the_queue_is_left_alone(here: QueueWorld, instance: dg.DagsterInstance) -> None:
    """A message is not received over and over by ticks that could do nothing about it."""
    here.put(here.today, "a")
    instance.add_run(
        dg.DagsterRun(job_name="any", status=dg.DagsterRunStatus.STARTED, tags={"event_platform/part": "raw"})
    )
    assert asked(tick(here, "landing_sensor", instance, listed(here, 600))) == []
    received = sqs().receive_message(QueueUrl=here.url, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    assert {each["Attributes"]["ApproximateReceiveCount"] for each in received} == {"1"}


def test_a_message_that_cannot_be_deleted_stays(here: QueueWorld) -> None:
    """It comes again, and the error tells what to allow."""
    here.put(here.today, "a")
    queue = landing_queue(here.url, here.environment.landing)
    assert queue is not None
    heard = queue.receive()
    with pytest.raises(StorageError, match=r"allow sqs:ReceiveMessage, sqs:DeleteMessage"):
        replace(queue, queue=replace(queue.queue, url=f"{here.url}-elsewhere")).delete(heard.messages)
    assert here.messages == 2

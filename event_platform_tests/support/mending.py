"""Functions of a catalog that mend records, and a lake that is brought up to date with them."""

from event_platform.pipeline.due import due_created_dates
from event_platform.pipeline.loading.mending import due_mending
from event_platform_tests.support.comparison import contents
from event_platform_tests.support.world import World

#: A function for each kind of damage that producers make.
FUNCTIONS = """
import json
import re
from datetime import datetime

from event_platform.events.mending import DeadLetter, MendedRecord, mends


@mends(reason="created_at_out_of_range")
def milliseconds(record: DeadLetter) -> MendedRecord:
    event = json.loads(record.body)
    return {**event, "created_at": event["created_at"] / 1000}


@mends(reason="invalid_created_at")
def iso(record: DeadLetter) -> MendedRecord:
    event = json.loads(record.body)
    return {**event, "created_at": datetime.fromisoformat(event["created_at"]).timestamp()}


@mends(reason="not_json")
def commas(record: DeadLetter) -> MendedRecord:
    return re.sub(rb",\\s*}", b"}", record.body) if b"NaN" not in record.body else None


@mends(reason="not_json")
def not_a_number(record: DeadLetter) -> MendedRecord:
    return record.body.replace(b"NaN", b"null")


@mends(reason="not_utf8")
def latin_1(record: DeadLetter) -> MendedRecord:
    return record.body.decode("latin-1").encode()


@mends(reason="missing_event_uuid", name="account:created")
def by_user(record: DeadLetter) -> MendedRecord:
    event = json.loads(record.body)
    return {**event, "event_uuid": f"{event['user']}-created"}


@mends(name="Order Completed")
def renamed(record: DeadLetter) -> MendedRecord:
    return {**json.loads(record.body), "event_name": "payment:order:completed"}
"""


def write_functions(world: World, text: str | None = FUNCTIONS, name: str = "rules") -> None:
    """Make this the text of a file with functions; None removes it."""
    path = world.root / "catalog" / "mend" / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    if text is None:
        path.unlink()
    else:
        path.write_text(text, encoding="utf-8")


def mend(world: World) -> None:
    """Do what `event-platform mend` does, without Dagster."""
    due = due_mending(world.lake, world.catalog.mending)
    if due:
        world.load(*due, mend=True)
    build_due(world)


def build_due(world: World) -> None:
    """Build the created dates that are due."""
    days = due_created_dates(world.lake, world.catalog).days
    if days:
        world.deduplicate(*days)
        world.type(*days)
        world.report(*days)


def versions(world: World) -> dict[str, int]:
    """Return the version of each table."""
    return {table.name: table.snapshot().version for table in world.lake.tables(world.catalog.event_types)}


def all_rows(world: World) -> dict[str, list[str]]:
    """Return the rows of all tables, but for the time at which objects were written."""
    return contents(world.lake, world.catalog, without=("source_etag",))

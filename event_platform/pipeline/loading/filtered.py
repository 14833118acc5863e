"""The queue of the stream's filter → filtered_events: each dropped event once, however often it was sent.

A message is deleted once its event is committed. If a run is killed in between, the next one receives the message again
and finds the event in the table. Messages that are not from the filter stay in the queue.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import polars as pl

from event_platform.lake.conflicts import retry_on_conflict
from event_platform.lake.file_writer import write_file
from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.registry import FILTERED_EVENTS
from event_platform.lake.snapshot import Snapshot
from event_platform.lake.table_commit import CommitResult, TableCommit
from event_platform.pipeline.compaction.step import compact
from event_platform.pipeline.context import PipelineContext
from event_platform.storage.queue import BATCH, THREADS, Queue
from event_platform.storage.threads import map_threads
from event_platform.stream.filter.dead_letters import DeadLetter, read_letter

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

#: Maximum number and bytes of messages in a commit.
_MOST_MESSAGES, _MOST_BYTES = 5_000, 64 << 20

#: Seconds for which received messages stay hidden: a commit takes less, even after some conflicts.
_HIDDEN = 120

#: Seconds to wait for a message before there are none.
_WAIT = 1

_KEY, _ARRIVED_AT = FILTERED_EVENTS.primary_key, "arrived_at"


@dataclass
class FilteredReport:
    """The events taken from the queue."""

    commit_results: dict[date, CommitResult] = field(default_factory=dict)  # by arrival date
    events: Counter[date] = field(default_factory=Counter)  # new ones
    rejected_messages: dict[str, str] = field(default_factory=dict)  # by id: why a message stays in the queue


def take_filtered(context: PipelineContext, queue: Queue, dates: Sequence[date]) -> FilteredReport:
    """Take all messages from the queue. The report has all of `dates`, and other days that gained events.

    Raises StorageError if the queue does not answer; earlier commits stay.
    """
    version = context.lake.filtered_events.snapshot_to_write().version
    report = FilteredReport(dict.fromkeys(dates, CommitResult(version, version)))
    while messages := _receive(queue):
        rows, receipts = _read_messages(queue, messages, report)
        if not receipts:
            break
        retry_on_conflict(partial(_append, context, rows, report))
        queue.delete(receipts)
    return report


def _receive(queue: Queue) -> "list[MessageTypeDef]":
    """Receive the messages of a commit: several batches in parallel, as long as all batches are full."""
    messages, size, requests = list["MessageTypeDef"](), 0, 1
    while len(messages) < _MOST_MESSAGES and size < _MOST_BYTES:
        batches = map_threads(lambda _: queue.receive(wait=_WAIT, hidden=_HIDDEN), range(requests), THREADS)
        received = list(chain.from_iterable(batches))
        if not received:
            break
        messages += received
        size += sum(len(message["Body"]) for message in received)
        requests = THREADS if len(received) == requests * BATCH else 1
    return messages


def _read_messages(
    queue: Queue, messages: "Sequence[MessageTypeDef]", report: FilteredReport
) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows of messages, each once, and their receipts. Faults of other messages are reported."""
    letters, receipts = list[DeadLetter](), list[str]()
    for message in messages:
        try:
            letters.append(read_letter(message["Body"]))
        except ValueError as error:
            report.rejected_messages[message["MessageId"]] = (
                f"{queue.url}: message {message['MessageId']} is left there: {error}"
            )
        else:
            receipts.append(message["ReceiptHandle"])
    columns = [name for name in FILTERED_EVENTS.schema if name in DeadLetter.__struct_fields__]
    schema = pl.Schema({name: FILTERED_EVENTS.schema[name] for name in columns})
    rows = pl.DataFrame(
        [[getattr(letter, name) for name in columns] for letter in letters], schema=schema, orient="row"
    )
    rows = rows.with_columns(arrival_date=pl.col(_ARRIVED_AT).dt.date(), taken_at=pl.lit(datetime.now(UTC)))
    rows = rows.select(FILTERED_EVENTS.schema.names()).cast(FILTERED_EVENTS.schema)
    return rows.unique(_KEY, keep="first").sort(_ARRIVED_AT, *_KEY), receipts


def _append(context: PipelineContext, rows: pl.DataFrame, report: FilteredReport) -> None:
    """Commit the rows whose events are not in the table yet."""
    target = context.lake.filtered_events.snapshot_to_write()
    new_rows = rows.join(_existing_keys(target, rows), on=_KEY, how="anti", maintain_order="left")
    parts_by_day = {day: part for (day,), part in new_rows.partition_by(_KEY[0], as_dict=True).items()}
    if not parts_by_day:
        return
    adds = [write_file(part, target.table_to_write, day) for day, part in parts_by_day.items()]
    compaction = compact(context, {FILTERED_EVENTS.name: (target, parts_by_day)})[FILTERED_EVENTS.name]
    commit = TableCommit(target).append(
        parts_by_day, [*adds, *compaction], dict.fromkeys(parts_by_day, target.version + 1)
    )
    report.commit_results |= commit.commit()
    report.events.update({day: part.height for day, part in parts_by_day.items()})


def _existing_keys(target: Snapshot, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the keys in the table that may include those of some rows, which are in order of arrival."""
    times = dict(rows.group_by(_KEY[0]).agg(pl.col(_ARRIVED_AT).sort()).iter_rows())
    files = [file for file in target.files(times) if _may_hold(file, times[file.partition])]
    is_near = pl.col(_ARRIVED_AT).is_between(rows[_ARRIVED_AT][0], rows[_ARRIVED_AT][-1])
    return scan_files(target.table, files, target.schema).filter(is_near).select(_KEY).collect()


def _may_hold(file: DataFile, times: Sequence[datetime]) -> bool:
    """Return whether a file may contain events of stream records with some arrival times, in order."""
    low, high = file.minimum.get(_ARRIVED_AT), file.maximum.get(_ARRIVED_AT)
    if low is None or high is None:
        return True
    index = bisect_left(times, low)
    return index < len(times) and times[index] <= high

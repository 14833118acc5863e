"""Landed objects → files of raw_events."""

from collections.abc import Iterable
from functools import partial

import polars as pl
from deltalake.transaction import AddAction

from event_platform.events.errors import ObjectError, UnreadableError
from event_platform.events.mending.mender import Mender
from event_platform.events.wrappers import open_reader
from event_platform.lake.file_writer import write_file
from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.lake import Lake
from event_platform.landing.formats import is_packed
from event_platform.landing.landing import LandedObject
from event_platform.pipeline.loading.objects import ObjectSource, open_object, read_records
from event_platform.pipeline.loading.record_writer import LoadError, LoadResult, RecordWriter
from event_platform.pipeline.sizing import Sizing
from event_platform.storage.threads import imap_threads

#: Objects that a task reads side by side.
READ_AT_ONCE = 10


def load_objects(lake: Lake, source: ObjectSource, sizing: Sizing, objects: list[LandedObject]) -> LoadResult:
    """Read objects of one arrival date and write their records, a piece of a large object at a time.

    An object that cannot be read, or makes the program fail, is left out, and stays due.
    """
    mends = bool(source.mending.functions)
    reader = open_reader(source.envelope, keeps_bytes=mends)
    writer = RecordWriter(lake.raw_events, source.limits, LoadResult(objects[0].arrival_date))
    outcome = writer.result.mend_outcome
    mender = Mender(source.mending, source.envelope, source.first_date, outcome) if mends else None
    for batch in batches(objects, sizing):
        # While an object is parsed, the next ones are read: the answer of a store takes longer than parsing an object.
        contents = imap_threads(partial(open_object, source, sizing), batch, READ_AT_ONCE)
        for landed_object, content in zip(batch, contents, strict=True):
            start = writer.position()
            try:
                if isinstance(content, UnreadableError | ObjectError):
                    raise content
                for records, size in read_records(source, reader, landed_object, content, mender):
                    writer.add(records, size)
            except (UnreadableError, ObjectError) as error:
                writer.result.unreadable[landed_object.name] = error
                if not writer.drop(start):
                    return _load_remaining(lake, source, sizing, objects, writer.result.unreadable)
            else:
                writer.finish(start, landed_object)
        writer.flush()
    return writer.close()


def drop_objects(lake: Lake, file: DataFile, names: list[str]) -> list[AddAction]:
    """Rewrite a file of raw_events without the records of the named objects."""
    table = lake.raw_events
    rows = scan_files(table, [file]).filter(~pl.col("source_object").is_in(names)).collect()
    return [write_file(rows, table, file.partition)] if rows.height else []


def is_large(objects: Iterable[LandedObject], sizing: Sizing) -> bool:
    """Return whether loading these objects is too much for the driver."""
    return sum(_share(landed_object, sizing) for landed_object in objects) > sizing.large_load_batches


def batches_per_task(objects: Iterable[LandedObject], sizing: Sizing) -> float:
    """Return how many batches each task loads of some objects."""
    weight = sum(_share(landed_object, sizing) for landed_object in objects)
    return min(sizing.batches_per_load_task, max(1, weight / sizing.min_load_tasks))


def batches(objects: Iterable[LandedObject], sizing: Sizing, max_weight: float = 1) -> list[list[LandedObject]]:
    """Group objects of one arrival date by work, in the order of their names.

    `max_weight` is the maximum weight of a group, in batches. A heavier object forms its own group.
    """
    result: list[list[LandedObject]] = []
    weight = 0.0
    for landed_object in sorted(objects, key=lambda each: each.name):
        share = _share(landed_object, sizing)
        if not result or weight + share > max_weight:
            result.append([])
            weight = 0
        result[-1].append(landed_object)
        weight += share
    return result


def _share(landed_object: LandedObject, sizing: Sizing) -> float:
    """Return the share of a batch that an object takes."""
    size = sizing.compressed_bytes_per_batch if is_packed(landed_object.name) else sizing.plain_bytes_per_batch
    return landed_object.size / size + 1 / sizing.objects_per_batch


def _load_remaining(
    lake: Lake, source: ObjectSource, sizing: Sizing, objects: list[LandedObject], errors: dict[str, LoadError]
) -> LoadResult:
    """Restart without the objects that were left out: one of them is partly in a file already."""
    remaining_objects = [landed_object for landed_object in objects if landed_object.name not in errors]
    result = (
        load_objects(lake, source, sizing, remaining_objects)
        if remaining_objects
        else LoadResult(objects[0].arrival_date)
    )
    result.unreadable.update(errors)
    return result

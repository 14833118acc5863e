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
from event_platform.pipeline.loading.objects import Loading, open_object, read_records
from event_platform.pipeline.loading.record_writer import LeftOut, Loaded, RecordWriter
from event_platform.pipeline.sizing import Sizing
from event_platform.storage.threads import imap_threads

#: Objects that a task reads side by side.
READ_AT_ONCE = 10


def load_objects(lake: Lake, loading: Loading, sizing: Sizing, objects: list[LandedObject]) -> Loaded:
    """Read objects of one arrival date and write their records, a piece of a large object at a time.

    An object that cannot be read, or makes the program fail, is left out, and stays due.
    """
    mends = bool(loading.mending.functions)
    reader = open_reader(loading.envelope, keeps_bytes=mends)
    writer = RecordWriter(lake.raw_events, loading.limits, Loaded(objects[0].arrival_date))
    outcome = writer.loaded.mended
    mender = Mender(loading.mending, loading.envelope, loading.first_date, outcome) if mends else None
    for batch in batches(objects, sizing):
        # While one is worked on the next ones are read: a store takes longer to answer than an object to be parsed.
        opened = imap_threads(partial(open_object, loading, sizing), batch, READ_AT_ONCE)
        for landed, content in zip(batch, opened, strict=True):
            begun = writer.begin()
            try:
                if isinstance(content, UnreadableError | ObjectError):
                    raise content
                for records, size in read_records(loading, reader, landed, content, mender):
                    writer.add(records, size)
            except (UnreadableError, ObjectError) as error:
                writer.loaded.unreadable[landed.name] = error
                if not writer.drop(begun):
                    return _load_others(lake, loading, sizing, objects, writer.loaded.unreadable)
            else:
                writer.finish(begun, landed)
        writer.flush()
    return writer.close()


def drop_objects(lake: Lake, file: DataFile, names: list[str]) -> list[AddAction]:
    """Rewrite a file of raw_events without the records of the named objects."""
    table = lake.raw_events
    rows = scan_files(table, [file]).filter(~pl.col("source_object").is_in(names)).collect()
    return [write_file(rows, table, file.partition)] if rows.height else []


def is_large(objects: Iterable[LandedObject], sizing: Sizing) -> bool:
    """Return whether loading these objects is too much for the driver."""
    return sum(_share(landed, sizing) for landed in objects) > sizing.large_load_batches


def batches_per_task(objects: Iterable[LandedObject], sizing: Sizing) -> float:
    """Return how many batches each task loads of some objects."""
    weight = sum(_share(landed, sizing) for landed in objects)
    return min(sizing.batches_per_load_task, max(1, weight / sizing.min_load_tasks))


def batches(objects: Iterable[LandedObject], sizing: Sizing, max_weight: float = 1) -> list[list[LandedObject]]:
    """Group objects of one arrival date by work, in the order of their names.

    `max_weight` is the maximum weight of a group, in batches. A heavier object forms its own group.
    """
    result: list[list[LandedObject]] = []
    weight = 0.0
    for landed in sorted(objects, key=lambda each: each.name):
        share = _share(landed, sizing)
        if not result or weight + share > max_weight:
            result.append([])
            weight = 0
        result[-1].append(landed)
        weight += share
    return result


def _share(landed: LandedObject, sizing: Sizing) -> float:
    """Return the share of a batch that an object takes."""
    size = sizing.compressed_bytes_per_batch if is_packed(landed.name) else sizing.plain_bytes_per_batch
    return landed.size / size + 1 / sizing.objects_per_batch


def _load_others(
    lake: Lake, loading: Loading, sizing: Sizing, objects: list[LandedObject], left_out: dict[str, LeftOut]
) -> Loaded:
    """Restart without the objects that were left out: one of them is partly in a file already."""
    others = [landed for landed in objects if landed.name not in left_out]
    loaded = load_objects(lake, loading, sizing, others) if others else Loaded(objects[0].arrival_date)
    loaded.unreadable.update(left_out)
    return loaded

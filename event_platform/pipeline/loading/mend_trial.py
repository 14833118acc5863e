"""Trial of `mend`: the due objects are read, and nothing is written."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from functools import partial

import polars as pl

from event_platform.events.errors import ObjectError, UnreadableError
from event_platform.events.event import MENDED_BY
from event_platform.events.mending.mender import Mender
from event_platform.events.mending.outcome import MendOutcome
from event_platform.events.wrappers import open_reader
from event_platform.lake.ledger import deliveries
from event_platform.lake.snapshot import Snapshot
from event_platform.landing.landing import LandedObject
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.loading.mending import objects_to_mend
from event_platform.pipeline.loading.objects import ObjectSource, open_object, read_records
from event_platform.pipeline.loading.tasks import READ_AT_ONCE, batches, is_large
from event_platform.pipeline.sizing import Sizing
from event_platform.storage.threads import imap_threads


@dataclass
class MendTrial:
    """The outcome of functions for the dead letters of some days, without writing anything."""

    days: list[date]
    objects: int
    outcome: MendOutcome
    restored_records: dict[str, int]  # mended records of functions that are no longer there, by function
    read_errors: list[str] = field(default_factory=list)  # why objects cannot be read, or that they no longer exist


def try_mending(context: PipelineContext, source: ObjectSource, dates: Collection[date], examples: int) -> MendTrial:
    """Read the objects that are due of some arrival dates, and give their records to the functions."""
    raw = context.lake.raw_events.snapshot()
    names = objects_to_mend(raw, source.mending, dates)
    days = sorted(set(names.values()))
    if not days:
        return MendTrial([], 0, MendOutcome(examples), {})
    delivery = deliveries(raw, source.landing, days)
    objects = [landed_object for landed_object in delivery.loaded if landed_object.name in names]
    by_date = {day: [landed_object for landed_object in objects if landed_object.arrival_date == day] for day in days}
    tasks = [
        (source, context.sizing, batch, examples)
        for of_day in by_date.values()
        for batch in batches(of_day, context.sizing)
    ]
    large = is_large(objects, context.sizing)
    results = context.run_tasks(try_objects, tasks, "objects", small=not large, large=large)
    trial = MendTrial(days, len(objects), MendOutcome(examples), _restored_records(raw, source, days))
    missing_names = names.keys() - {landed_object.name for landed_object in objects}
    trial.read_errors += [f"{name}: no longer in landing as it was loaded" for name in sorted(missing_names)]
    for outcome, errors in results:
        trial.outcome.add(outcome)
        trial.read_errors += errors
    return trial


def try_objects(
    source: ObjectSource, sizing: Sizing, objects: list[LandedObject], examples: int
) -> tuple[MendOutcome, list[str]]:
    """Read objects of one arrival date; return the outcome for their records, and why objects cannot be read."""
    outcome, errors = MendOutcome(examples), list[str]()
    mender = Mender(source.mending, source.envelope, source.first_date, outcome)
    reader = open_reader(source.envelope, keeps_bytes=True)
    contents = imap_threads(partial(open_object, source, sizing), objects, READ_AT_ONCE)
    for landed_object, content in zip(objects, contents, strict=True):
        try:
            if isinstance(content, UnreadableError | ObjectError):
                raise content
            for _ in read_records(source, reader, landed_object, content, mender):
                pass
        except (UnreadableError, ObjectError) as error:
            errors.append(str(error))
    return outcome, errors


def _restored_records(raw: Snapshot, source: ObjectSource, days: list[date]) -> dict[str, int]:
    present_labels = [function.label for function in source.mending.functions]
    mended_rows = raw.scan(days).filter(pl.col(MENDED_BY).is_not_null() & ~pl.col(MENDED_BY).is_in(present_labels))
    return dict(mended_rows.group_by(MENDED_BY).agg(pl.len()).sort(MENDED_BY).collect(engine="streaming").iter_rows())

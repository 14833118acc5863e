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
from event_platform.pipeline.loading.objects import Loading, open_object, read_records
from event_platform.pipeline.loading.tasks import READ_AT_ONCE, batches, is_large
from event_platform.pipeline.sizing import Sizing
from event_platform.storage.threads import imap_threads


@dataclass
class MendTrial:
    """The outcome of functions for the dead letters of some days, without writing anything."""

    days: list[date]
    objects: int
    outcome: MendOutcome
    put_back: dict[str, int]  # mended records of functions that are no longer there, by function
    unread: list[str] = field(default_factory=list)  # why objects cannot be read, or that they no longer exist


def try_mending(context: PipelineContext, loading: Loading, dates: Collection[date], examples: int) -> MendTrial:
    """Read the objects that are due of some arrival dates, and give their records to the functions."""
    raw = context.lake.raw_events.snapshot()
    names = objects_to_mend(raw, loading.mending, dates)
    days = sorted(set(names.values()))
    if not days:
        return MendTrial([], 0, MendOutcome(examples), {})
    delivery = deliveries(raw, loading.landing, days)
    objects = [landed for landed in delivery.loaded if landed.name in names]
    by_date = {day: [landed for landed in objects if landed.arrival_date == day] for day in days}
    tasks = [
        (loading, context.sizing, batch, examples)
        for of_day in by_date.values()
        for batch in batches(of_day, context.sizing)
    ]
    large = is_large(objects, context.sizing)
    found = context.run_tasks(try_objects, tasks, "objects", small=not large, large=large)
    trial = MendTrial(days, len(objects), MendOutcome(examples), _put_back(raw, loading, days))
    gone = names.keys() - {landed.name for landed in objects}
    trial.unread += [f"{name}: no longer in landing as it was loaded" for name in sorted(gone)]
    for outcome, unread in found:
        trial.outcome.add(outcome)
        trial.unread += unread
    return trial


def try_objects(
    loading: Loading, sizing: Sizing, objects: list[LandedObject], examples: int
) -> tuple[MendOutcome, list[str]]:
    """Read objects of one arrival date; return the outcome for their records, and why objects cannot be read."""
    outcome, unread = MendOutcome(examples), list[str]()
    mender = Mender(loading.mending, loading.envelope, loading.first_date, outcome)
    reader = open_reader(loading.envelope, keeps_bytes=True)
    opened = imap_threads(partial(open_object, loading, sizing), objects, READ_AT_ONCE)
    for landed, content in zip(objects, opened, strict=True):
        try:
            if isinstance(content, UnreadableError | ObjectError):
                raise content
            for _ in read_records(loading, reader, landed, content, mender):
                pass
        except (UnreadableError, ObjectError) as error:
            unread.append(str(error))
    return outcome, unread


def _put_back(raw: Snapshot, loading: Loading, days: list[date]) -> dict[str, int]:
    present = [function.label for function in loading.mending.functions]
    mended = raw.scan(days).filter(pl.col(MENDED_BY).is_not_null() & ~pl.col(MENDED_BY).is_in(present))
    return dict(mended.group_by(MENDED_BY).agg(pl.len()).sort(MENDED_BY).collect(engine="streaming").iter_rows())

"""Files of raw_events → files of deduplicated_events and duplicate_events."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
from deltalake.transaction import AddAction

from event_platform.events.deduplication import find_duplicates
from event_platform.events.event import SOURCE_COLUMNS
from event_platform.lake.files import DataFile, FileWriter, scan_files, scan_pieces
from event_platform.lake.lake import DEDUPLICATED_SCHEMA, DUPLICATE_SCHEMA, RAW_SCHEMA
from event_platform.lake.storage import Storage

#: What a task takes, where there is enough for all cores: its file is about 64 MB.
ROWS_PER_TASK = 800_000

#: What it holds at a time.
ROWS_AT_ONCE = 125_000

#: However little there is, tasks are at least so many where each has ROWS_AT_ONCE.
_TASKS = 16

#: Records that one task judges at a time, by the hashes of their uuids: about 40 bytes for each.
ROWS_PER_SEARCH = 25_000_000

_KEY, _HASH = pl.col("event_uuid").hash(), "$hash"
_SOUND = pl.col("corruption_reason").is_null()
_ORDER = list(SOURCE_COLUMNS)
_COLUMNS = [*_ORDER, "event_uuid", "created_date"]
_PARTITION = "created_date"
NO_KEYS = pl.Series(_HASH, dtype=pl.UInt64)
NO_CANDIDATES = pl.DataFrame(schema={**{name: RAW_SCHEMA[name] for name in _COLUMNS}, "body_hash": pl.UInt64})


@dataclass(frozen=True)
class Split:
    """What a task wrote of the sound records of its files."""

    unique: list[AddAction]
    duplicates: list[AddAction]


def may_hold(file: DataFile, ordered_dates: Sequence[date]) -> bool:
    """Say whether a file of raw_events may hold sound records of one of the created_dates, by its statistics."""
    first, last = file.minimum.get(_PARTITION), file.maximum.get(_PARTITION)
    if first is None or last is None:
        return False
    next_date = bisect_left(ordered_dates, first)
    return next_date < len(ordered_dates) and ordered_dates[next_date] <= last


def history_of(files: list[DataFile], own: list[DataFile], window_days: int) -> list[DataFile]:
    """Return the files that arrived within the window before any of the `own` ones, these included."""
    arrivals = {file.partition for file in own}
    days = {day - timedelta(days=back) for day in arrivals for back in range(window_days + 1)}
    return [file for file in files if file.partition in days]


@dataclass(frozen=True)
class Shared:
    """Keys that more than one record has, and the other files that hold some of them."""

    keys: pl.Series
    others: list[DataFile]


def shared_keys(
    storage: Storage, dates: list[date], own: list[DataFile], others: list[DataFile], bucket: int, buckets: int
) -> Shared:
    """Return the keys that records of some created_dates share, those of `own` with each other and with `others`.

    A key is a 64-bit hash of the uuid. Each bucket takes its share of them: equal uuids are in the same one.
    """
    mine = _KEY % buckets == bucket if buckets > 1 else True
    records, judged = _sound(storage, own).filter(mine), pl.col(_PARTITION).is_in(dates)
    keys = records.filter(judged).select(_KEY.alias(_HASH)).collect(engine="streaming").to_series().sort()
    beside = _met(pl.concat([records.filter(~judged), _sound(storage, others).filter(mine)]), keys)
    return Shared(pl.concat([_repeated(keys), beside[_HASH]]).unique(), _holding(others, beside))


def keys_that_came(
    storage: Storage, dates: list[date], new: list[DataFile], early: list[DataFile], known: list[DataFile]
) -> Shared:
    """Return the keys that new records of some created_dates, and all in `early`, share with new and `known` ones."""
    came = _sound(storage, new)
    asked = pl.concat([came.filter(pl.col(_PARTITION).is_in(dates)), _sound(storage, early)])
    keys = asked.select(_KEY.unique().alias(_HASH)).collect(engine="streaming").to_series()
    repeated = _repeated(came.select(_KEY.alias(_HASH)).collect(engine="streaming").to_series().sort())
    beside = _met(_sound(storage, known), keys)
    return Shared(pl.concat([repeated, beside[_HASH]]).unique(), _holding(known, beside))


def task_rows(files: Sequence[DataFile]) -> int:
    """Return the rows that each task takes of some files."""
    return min(ROWS_PER_TASK, max(ROWS_AT_ONCE, sum(file.rows for file in files) // _TASKS))


def candidates_in(storage: Storage, files: list[DataFile], keys: pl.Series) -> pl.DataFrame:
    """Return the records with one of the keys, with what is needed to judge them."""
    found = [
        _among(piece.filter(_SOUND), keys).select(*_COLUMNS, body_hash=pl.col("body").hash()).collect()
        for piece in scan_pieces(files, RAW_SCHEMA, "arrival_date", storage, ROWS_AT_ONCE)
    ]
    # A text of polars keeps those alive that were read beside it, here all of them; one of Arrow stands by itself.
    return pl.concat([pl.DataFrame(each.to_arrow(compat_level=pl.CompatLevel.oldest())) for each in found])


def verdicts_that_came(
    dates: list[date], before: pl.DataFrame, came: pl.DataFrame, window_days: int
) -> pl.DataFrame | None:
    """Judge the candidates that `came`; None where a verdict on one that was there `before` is another one now."""
    verdicts = find_duplicates(pl.concat([before, came]), dates, window_days)
    on_old = verdicts.join(before, on=_ORDER, how="semi")
    if not on_old.sort(_ORDER).equals(find_duplicates(before, dates, window_days).sort(_ORDER)):
        return None
    return verdicts.join(on_old, on=_ORDER, how="anti")


def _sound(storage: Storage, files: list[DataFile]) -> pl.LazyFrame:
    return scan_files(files, RAW_SCHEMA, "arrival_date", storage).filter(_SOUND)


def _repeated(ordered: pl.Series) -> pl.Series:
    """Return the keys that occur more than once. To sort them takes a fraction of the memory of counting them."""
    return ordered.filter(ordered == ordered.shift())


def _among(records: pl.LazyFrame, keys: pl.Series) -> pl.LazyFrame:
    return records.with_columns(_KEY.alias(_HASH)).join(keys.to_frame(_HASH).lazy(), on=_HASH, how="semi")


def _met(records: pl.LazyFrame, keys: pl.Series) -> pl.DataFrame:
    """Return which of the keys the records have, and in which objects."""
    places = [_HASH, "arrival_date", "source_object"]
    return _among(records, keys).select(places).unique().collect(engine="streaming")


def _holding(files: list[DataFile], met: pl.DataFrame) -> list[DataFile]:
    """Return the files that may hold what was met."""
    objects = {day: sorted(set(names)) for day, names in met.group_by("arrival_date").agg("source_object").iter_rows()}
    found = []
    for file in files:
        names = objects.get(file.partition, [])
        next_name = bisect_left(names, file.minimum["source_object"])
        if next_name < len(names) and names[next_name] <= file.maximum["source_object"]:
            found.append(file)
    return found


def split_files(storage: Storage, files: list[DataFile], dates: list[date], duplicates: pl.DataFrame) -> Split:
    """Write the sound records of `files` that belong to `dates`: first arrivals here, duplicates there.

    There is one file for each date and table, in which every event name is a few row groups for each file read.
    """
    writers: dict[tuple[str, date], FileWriter] = {}
    for piece in scan_pieces(files, RAW_SCHEMA, "arrival_date", storage, ROWS_AT_ONCE):
        records = piece.filter(_sound_of(dates)).select(DEDUPLICATED_SCHEMA.names()).collect()
        losers = records.join(duplicates, on=_ORDER, how="inner").select(DUPLICATE_SCHEMA.names())
        winners = records.join(duplicates, on=_ORDER, how="anti") if losers.height else records
        ordered = winners.sort("event_name", maintain_order=True)
        for table, rows in (("deduplicated_events", ordered), ("duplicate_events", losers)):
            for (day,), part in rows.partition_by(_PARTITION, as_dict=True, maintain_order=True).items():
                if (table, day) not in writers:
                    writers[table, day] = FileWriter(storage, table, _PARTITION, day)
                writers[table, day].write(part)
    split = Split([], [])
    for (table, _), writer in writers.items():
        (split.unique if table == "deduplicated_events" else split.duplicates).append(writer.close())
    return split


def _sound_of(dates: list[date]) -> pl.Expr:
    return _SOUND & pl.col(_PARTITION).is_in(dates)

"""Files of raw_events → candidates: records that share their uuid with another one.

A key is a hash of a uuid. Most records have a key that no other record has: they are unique. The uuids of the few
remaining candidates are compared. Keys are read from files that store them (see `file_keys`), and computed from the
uuids of other files.
"""

import io
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from event_platform.events.deduplication import find_duplicates
from event_platform.events.event import SOURCE_COLUMNS
from event_platform.events.figures import KEY_BITS, UUID_KEY
from event_platform.lake.file_keys import shared_with, use_keys
from event_platform.lake.files import DataFile, scan_files, scan_pieces
from event_platform.lake.lake import Lake
from event_platform.lake.registry import RAW_EVENTS
from event_platform.pipeline.sizing import Sizing

_KEY, _HASH = UUID_KEY, "$hash"
_KEYS = 1 << KEY_BITS
_SOUND = pl.col("corruption_reason").is_null()
_ORDER = list(SOURCE_COLUMNS)
_COLUMNS = [*_ORDER, "event_uuid", "created_date"]
_FILE_COLUMNS = ["arrival_date", "source_object"]
NO_KEYS = pl.Series(_HASH, dtype=pl.UInt64)
NO_CANDIDATES = pl.DataFrame(schema={**{name: RAW_EVENTS.schema[name] for name in _COLUMNS}, "body_hash": pl.UInt64})


@dataclass(frozen=True)
class SharedKeys:
    """Keys that occur more than once, and other files that contain some of them.

    `by_path` has the keys of each file; without it, any key may be in any file.
    """

    keys: pl.Series
    other_files: list[DataFile]
    by_path: Mapping[str, pl.Series] | None = None

    def keys_in(self, files: Sequence[DataFile]) -> pl.Series:
        """Return the keys to search in given files. Searching all keys in each file would be quadratic."""
        if self.by_path is None:
            return self.keys
        return pl.concat([NO_KEYS, *(self.by_path[file.path] for file in files if file.path in self.by_path)]).unique()


def may_hold(file: DataFile, ordered_dates: Sequence[date]) -> bool:
    """Return whether a file of raw_events may hold sound records of the created_dates, by its statistics."""
    first, last = file.minimum.get("created_date"), file.maximum.get("created_date")
    if first is None or last is None:
        return False
    next_date = bisect_left(ordered_dates, first)
    return next_date < len(ordered_dates) and ordered_dates[next_date] <= last


def history_of(files: list[DataFile], files_of_dates: list[DataFile], window_days: int) -> list[DataFile]:
    """Return the files that arrived within the window before any of `files_of_dates`, including these."""
    arrivals = {file.partition for file in files_of_dates}
    days = {day - timedelta(days=back) for day in arrivals for back in range(window_days + 1)}
    return [file for file in files if file.partition in days]


def may_share(files: Sequence[DataFile], target_files: Sequence[DataFile]) -> list[DataFile]:
    """Return the files that may contain an event_uuid of `target_files`, by the statistics of both.

    If uuids rise with time (UUID version 7, ULID, numbers), hardly any earlier file is read. If they are random, all
    are.
    """
    minima, maxima = (
        [getattr(file, bound).get("event_uuid") for file in target_files] for bound in ("minimum", "maximum")
    )
    if None in minima or None in maxima:
        return list(files)
    low, high = min(minima, default=""), max(maxima, default="")
    return [file for file in files if _meets(file.minimum.get("event_uuid"), file.maximum.get("event_uuid"), low, high)]


def _meets(minimum: str | None, maximum: str | None, low: str, high: str) -> bool:
    return minimum is None or maximum is None or (minimum <= high and low <= maximum)


def shared_keys(
    lake: Lake, dates: list[date], files_of_dates: list[DataFile], other_files: list[DataFile]
) -> SharedKeys:
    """Return the keys shared by records of some created_dates: those that occur again in their files or in others."""
    uniform_files = [file for file in files_of_dates if _is_of_dates(file, dates)]
    stored_keys = use_keys(lake.raw_events, uniform_files, lambda keys: keys)
    records = _sound_records(lake, [file for file in files_of_dates if file.path not in stored_keys])
    of_dates = pl.col("created_date").is_in(dates)
    computed_keys = records.filter(of_dates).select(_KEY.alias(_HASH)).collect(engine="streaming").to_series()
    keys = pl.concat([computed_keys, *(each.alias(_HASH) for each in stored_keys.values())]).sort()
    matches = _find_keys(_with_keys(records.filter(~of_dates)), keys, _FILE_COLUMNS)[_HASH]
    keys_elsewhere, files_elsewhere = _keys_also_in(lake, other_files, keys)
    return SharedKeys(pl.concat([_repeated_keys(keys), matches, keys_elsewhere]).unique(), files_elsewhere)


def spread_keys(lake: Lake, address: str, dates: list[date], files: Mapping[int, DataFile], searches: int) -> str:
    """Write the sorted keys of numbered files, so that each of the `searches` reads only its share of the keys.

    A row has the key, whether its record is of one of the created_dates, and the number of its file. Returns `address`.
    """
    keys = pl.concat(
        _sound_records(lake, [file]).select(
            _KEY.alias(_HASH),
            pl.col("created_date").is_in(dates).alias("of_dates"),
            pl.lit(number, dtype=pl.UInt32).alias("file"),
        )
        for number, file in files.items()
    )
    ordered = keys.collect(engine="streaming").sort(_HASH)
    buffer = io.BytesIO()
    # Hashes are evenly distributed, so each row group is one search's share, as its statistics show.
    ordered.write_parquet(buffer, compression="lz4", row_group_size=max(1, ordered.height // searches))
    lake.storage.write(address, buffer.getvalue())
    return address


def shared_keys_in_range(lake: Lake, addresses: list[str], search: int, searches: int) -> pl.DataFrame:
    """Return the keys in one share that a record `of_dates` and another record have, with their files.

    Shares are ranges of keys, so equal keys are in the same share.
    """
    first, last = (_KEYS * number // searches for number in (search, search + 1))
    share = pl.col(_HASH).is_between(pl.lit(first, dtype=pl.UInt64), pl.lit(last - 1, dtype=pl.UInt64))
    spread = pl.scan_parquet(addresses, **lake.storage.for_polars()).filter(share)
    of_dates = pl.col("of_dates")
    keys = spread.filter(of_dates).select(_HASH).collect(engine="streaming").to_series().sort()
    matches = _find_keys(spread.filter(~of_dates), keys, ["file"])
    keys_shared = pl.concat([_repeated_keys(keys), matches[_HASH]]).unique()
    return pl.concat([_find_keys(spread.filter(of_dates), keys_shared, ["file"]), matches])


def shared_of(
    results: Sequence[pl.DataFrame], files: Mapping[int, DataFile], other_files: Sequence[DataFile]
) -> SharedKeys:
    """Combine the results of all shares. `other_files` are the files of other created_dates."""
    places = pl.concat(results).partition_by("file", as_dict=True)
    by_path = {files[number].path: rows[_HASH] for (number,), rows in places.items()}
    return SharedKeys(NO_KEYS, [file for file in other_files if file.path in by_path], by_path)


def new_shared_keys(
    lake: Lake, dates: list[date], new_files: list[DataFile], early_files: list[DataFile], known_files: list[DataFile]
) -> SharedKeys:
    """Return the keys that records share with other new records or with records of `known_files`.

    Searched are the keys of new records of some created_dates, and of all records in `early_files`.
    """
    new_records = _sound_records(lake, new_files)
    searched_records = pl.concat(
        [new_records.filter(pl.col("created_date").is_in(dates)), _sound_records(lake, early_files)]
    )
    keys = searched_records.select(_KEY.unique().alias(_HASH)).collect(engine="streaming").to_series().sort()
    repeated_keys = _repeated_keys(new_records.select(_KEY.alias(_HASH)).collect(engine="streaming").to_series().sort())
    keys_elsewhere, files_elsewhere = _keys_also_in(lake, known_files, keys)
    return SharedKeys(pl.concat([repeated_keys, keys_elsewhere]).unique(), files_elsewhere)


def candidates_in(lake: Lake, sizing: Sizing, files: list[DataFile], keys: pl.Series) -> pl.DataFrame:
    """Return the records with one of the keys, with the columns for the deduplication rule."""
    frames = [
        _having_keys(_with_keys(piece.filter(_SOUND)), keys)
        .select(*_COLUMNS, body_hash=pl.col("body").hash())
        .collect()
        for piece in scan_pieces(lake.raw_events, files, sizing.rows_per_split_batch)
    ]
    # A polars text would keep the whole buffer of all texts in memory; an Arrow text does not.
    return pl.concat([pl.DataFrame(frame.to_arrow(compat_level=pl.CompatLevel.oldest())) for frame in frames])


def new_verdicts(
    dates: list[date], old_candidates: pl.DataFrame, new_candidates: pl.DataFrame, window_days: int
) -> pl.DataFrame | None:
    """Return the duplicates among `new_candidates`, or None if the verdict on an old candidate changes."""
    verdicts = find_duplicates(pl.concat([old_candidates, new_candidates]), dates, window_days)
    old_verdicts = verdicts.join(old_candidates, on=_ORDER, how="semi")
    if not old_verdicts.sort(_ORDER).equals(find_duplicates(old_candidates, dates, window_days).sort(_ORDER)):
        return None
    return verdicts.join(old_verdicts, on=_ORDER, how="anti")


def _is_of_dates(file: DataFile, dates: Collection[date]) -> bool:
    """Return whether the statistics say that all records of a file are of the created_dates."""
    first, last = file.minimum.get("created_date"), file.maximum.get("created_date")
    return first is not None and first == last and first in dates


def _keys_also_in(lake: Lake, files: list[DataFile], keys: pl.Series) -> tuple[pl.Series, list[DataFile]]:
    """Return the sorted keys that records of some files also have, and the files that may contain them."""
    keys_in_files = use_keys(lake.raw_events, files, lambda stored: shared_with(keys, stored).alias(_HASH))
    files_without_keys = [file for file in files if file.path not in keys_in_files]
    matches = _find_keys(_with_keys(_sound_records(lake, files_without_keys)), keys, _FILE_COLUMNS)
    files_with_keys = [file for file in files if file.path in keys_in_files and len(keys_in_files[file.path])]
    return pl.concat([*keys_in_files.values(), matches[_HASH]]), [
        *files_with_keys,
        *_files_that_may_have(files_without_keys, matches),
    ]


def _sound_records(lake: Lake, files: list[DataFile]) -> pl.LazyFrame:
    return scan_files(lake.raw_events, files).filter(_SOUND)


def _with_keys(records: pl.LazyFrame) -> pl.LazyFrame:
    return records.with_columns(_KEY.alias(_HASH))


def _repeated_keys(sorted_keys: pl.Series) -> pl.Series:
    """Return the keys that occur more than once. Sorting takes a fraction of the memory of counting."""
    return sorted_keys.filter(sorted_keys == sorted_keys.shift())


def _having_keys(records: pl.LazyFrame, keys: pl.Series) -> pl.LazyFrame:
    return records.join(keys.to_frame(_HASH).lazy(), on=_HASH, how="semi")


def _find_keys(records: pl.LazyFrame, keys: pl.Series, file_columns: list[str]) -> pl.DataFrame:
    """Return the keys that the records have, with their files."""
    return _having_keys(records, keys).select(_HASH, *file_columns).unique().collect(engine="streaming")


def _files_that_may_have(files: list[DataFile], met: pl.DataFrame) -> list[DataFile]:
    """Return the files that may contain the keys."""
    objects = {day: sorted(set(names)) for day, names in met.group_by("arrival_date").agg("source_object").iter_rows()}
    return [file for file in files if _has_one_of(objects.get(file.partition, []), file)]


def _has_one_of(ordered_names: list[str], file: DataFile) -> bool:
    next_name = bisect_left(ordered_names, file.minimum["source_object"])
    return next_name < len(ordered_names) and ordered_names[next_name] <= file.maximum["source_object"]

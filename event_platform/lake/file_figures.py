"""Figures of files, stored in the footer of each file when it is written, and read from there.

Repeated questions about a table therefore cost as much as its files, not its rows. Files without a figure (of other
writers or earlier releases, or with a figure nearly as long as the rows) are counted by their rows, with the same
result. To prove that a table is right, its rows are counted: see `verification`.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from itertools import accumulate, chain, groupby
from threading import Lock

import msgspec
import polars as pl

from event_platform.events.figures import Figure
from event_platform.lake.figures_cache import load_figures, save_figures
from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.footers import name_in_footer, read_end
from event_platform.lake.location import TableLocation
from event_platform.storage.threads import imap_threads

_KEY = "event_platform.figures"

#: A figure with more rows than this, and than this share of the rows of its file, is left out.
_SHORT, _SHARE = 1_000, 1 / 16

#: Files whose rows are counted side by side.
_COUNTED_AT_ONCE = 4

_MOST_ROWS = 1_000_000  # some 100 bytes each; least recently used ones are dropped
_ROWS_OF_FRAME = 50  # cost of a frame, whatever its size


class _ReadFigures:
    """Cache by the address of the file and the name of the figure: a file never changes."""

    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[str, str], pl.DataFrame] = OrderedDict()
        self._rows = 0
        self._lock = Lock()  # sensors are evaluated side by side

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._counts

    def get(self, key: tuple[str, str]) -> pl.DataFrame | None:
        return self._counts.get(key)

    def clear(self) -> None:
        with self._lock:
            self._counts.clear()
            self._rows = 0

    def add(self, frames: Mapping[tuple[str, str], pl.DataFrame]) -> None:
        """Cache what was read; drop the least recently used entries if the cache is full."""
        with self._lock:
            for key, counts in frames.items():
                self._rows += _ROWS_OF_FRAME + counts.height - self._rows_of(self._counts.pop(key, None))
                self._counts[key] = counts
            while self._rows > _MOST_ROWS:
                self._rows -= self._rows_of(self._counts.popitem(last=False)[1])

    @staticmethod
    def _rows_of(counts: pl.DataFrame | None) -> int:
        return 0 if counts is None else _ROWS_OF_FRAME + counts.height


_CACHE = _ReadFigures()


class _FiguresEntry(msgspec.Struct):
    """The figures in a footer.

    `file` distinguishes a file from copies that other writers make together with its footer.
    """

    file: str
    figures: dict[str, dict[str, list[int | str | None]]]


class FigureCounts:
    """Counts the rows of a file while it is written."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        """Begin with no rows."""
        self._counts: dict[str, tuple[Figure, list[pl.DataFrame]]] = {figure.name: (figure, []) for figure in figures}
        self._rows = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Count rows of the file. Figures whose columns are missing are skipped."""
        self._rows += frame.height
        for name, (figure, counts) in list(self._counts.items()):
            try:
                if figure.counted is None or frame[figure.counted].null_count() < frame.height:
                    counts.append(figure.count(frame.lazy()).collect())
            except (pl.exceptions.ColumnNotFoundError, pl.exceptions.SchemaError):  # a table of an earlier catalog
                del self._counts[name]

    def note(self, figure: Figure, counts: pl.DataFrame) -> None:
        """Add counts of a figure that rows do not show."""
        self._counts.setdefault(figure.name, (figure, []))[1].append(counts)

    def close(self, table: TableLocation, path: str) -> dict[str, str]:
        """Return the metadata of a file of a table; empty without figures.

        The figures are cached in this process, and for later processes if the table is in a bucket: most checks judge
        rows that the platform has just written.
        """
        frames = {
            name: figure.add_up(pl.concat(counts)) if counts[1:] else counts[0]
            for name, (figure, counts) in self._counts.items()
            if counts
        }
        longest = max(_SHORT, self._rows * _SHARE)
        short = {name: counts for name, counts in frames.items() if counts.height <= longest}
        if not short:
            return {}
        uri = table.storage.uri(table.name, path)
        _CACHE.add({(uri, name): counts for name, counts in short.items()})
        stored = {name: self._counts[name][0].to_json(counts) for name, counts in short.items()}
        text = msgspec.json.encode(_FiguresEntry(name_in_footer(path), stored)).decode()
        save_figures(table, {path: text})
        return {_KEY: text}


def read_figure(
    table: TableLocation,
    files: Collection[DataFile],
    figure: Figure,
    schema: pl.Schema | None = None,
    *,
    in_rows: bool = False,
) -> pl.DataFrame:
    """Return the counts of some files of a table, with the column of their partitions.

    They are read from footers. A file without them is counted by its rows, as all files are with `in_rows`; samples are
    skipped in that case. `schema` is the schema of the rows (default: the table's definition). Raises StorageError, or
    the errors of polars, if a file cannot be read.
    """
    frames = {} if in_rows else _read_footers(table, files, figure)
    files = [file for file in files if file.uri in frames] if figure.is_sampled else files
    uncounted = [file for file in files if file.uri not in frames]
    counted = imap_threads(lambda file: _count_rows(table, [file], figure, schema), uncounted, _COUNTED_AT_ONCE)
    frames |= {file.uri: counts for file, counts in zip(uncounted, counted, strict=True)}
    if not in_rows:
        _CACHE.add({(uri, figure.name): counts for uri, counts in frames.items()})
    if not files:
        return _with_day(table, _count_rows(table, [], figure, schema).clear(), None)
    by_day: dict[date, list[pl.DataFrame]] = {}
    for file in files:
        by_day.setdefault(file.partition, []).append(frames[file.uri])
    return pl.concat(_with_day(table, pl.concat(counts), day) for day, counts in by_day.items())


def _with_day(table: TableLocation, counts: pl.DataFrame, day: date | None) -> pl.DataFrame:
    days = pl.Series(str(table.partition_column), [day], dtype=pl.Date).new_from_index(0, counts.height)
    return counts.hstack([days])


def _read_footers(table: TableLocation, files: Collection[DataFile], figure: Figure) -> dict[str, pl.DataFrame]:
    """Return the counts of files that have them, by address. The other figures of a footer are cached."""
    cached = {file.uri: counts for file in files if (counts := _CACHE.get((file.uri, figure.name))) is not None}
    unread = [file for file in files if file.uri not in cached]
    figures = [figure, *(other for other in table.spec.figures if other.name != figure.name)]
    footers = {file.uri: _parse(text, file.path) for file, text in _read_texts(table, unread)}
    read = {
        (uri, other.name): counts
        for other in figures
        for uri, counts in _counts_of(
            other, {uri: values[other.name] for uri, values in footers.items() if other.name in values}
        ).items()
    }
    _CACHE.add(read)
    return cached | {uri: counts for (uri, name), counts in read.items() if name == figure.name}


def _read_texts(table: TableLocation, files: Collection[DataFile]) -> list[tuple[DataFile, str]]:
    """Return the figures in the footers of files, as text. Figures of files in a bucket come from the user's cache."""
    cached = load_figures(table, [file.path for file in files])
    uncached = [file for file in files if file.path not in cached]
    run = map if table.storage.is_local else imap_threads  # to start a thread takes as long as to read a footer
    ends = run(lambda file: read_end(table.storage, file), uncached)
    read = {file.path: text for file, end in zip(uncached, ends, strict=True) if (text := end.metadata.get(_KEY))}
    save_figures(table, read)
    texts = cached | read
    return [(file, texts[file.path]) for file in files if file.path in texts]


def _count_rows(
    table: TableLocation, files: Sequence[DataFile], figure: Figure, schema: pl.Schema | None
) -> pl.DataFrame:
    return figure.count(scan_files(table, files, schema)).collect(engine="streaming")


def is_read(file: DataFile, figure: Figure) -> bool:
    """Return whether this process knows a figure of a file."""
    return (file.uri, figure.name) in _CACHE


def _parse(text: str, path: str) -> dict[str, dict[str, list[int | str | None]]]:
    """Return the values of a file's figures by name and column; empty if the platform did not write them."""
    try:
        entry = msgspec.json.decode(text, type=_FiguresEntry)
    except msgspec.MsgspecError:
        return {}
    if entry.file != name_in_footer(path):
        return {}
    return {name: values for name, values in entry.figures.items() if len({*map(len, values.values())}) == 1}


def _counts_of(figure: Figure, values: Mapping[str, Mapping[str, list[int | str | None]]]) -> dict[str, pl.DataFrame]:
    """Return the counts of files by address, without files whose values do not fit the figure.

    The counts are slices of one frame: a frame for each file takes longer to build than to read.
    """
    counts_by_uri: dict[str, pl.DataFrame] = {}
    for columns, alike in groupby(sorted(values, key=lambda uri: [*values[uri]]), key=lambda uri: [*values[uri]]):
        uris = list(alike)
        joined = {column: list(chain.from_iterable(values[uri][column] for uri in uris)) for column in columns}
        try:
            counts = figure.from_json(joined)
        except (pl.exceptions.PolarsError, TypeError, ValueError):  # not as the platform writes it
            if uris[1:]:
                for uri in uris:
                    counts_by_uri |= _counts_of(figure, {uri: values[uri]})
            continue
        heights = [len(values[uri][columns[0]]) for uri in uris]
        starts = accumulate(heights, initial=0)
        counts_by_uri |= {
            uri: counts.slice(start, rows) for uri, start, rows in zip(uris, starts, heights, strict=False)
        }
    return counts_by_uri

"""The figures of files: kept in the footer of each when it is written, and read from there.

So what is asked of a table again and again costs what there are files, and not rows. Files without a figure (those of
other writers and of earlier releases, and those in which it would be nearly as long as the rows) are counted in their
rows, which gives the same. To prove that a table is right, count its rows: see `verification`.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from itertools import accumulate, chain, groupby
from threading import Lock

import msgspec
import polars as pl

from event_platform.events.figures import Figure
from event_platform.lake.files import DataFile, scan_files
from event_platform.lake.footers import name_in_footer, read_end
from event_platform.lake.kept_figures import keep_figures, load_figures
from event_platform.lake.location import TableLocation
from event_platform.storage.threads import imap_threads

_KEY = "event_platform.figures"

#: A figure with more rows than this, and than this share of the rows of its file, is left out.
_SHORT, _SHARE = 1_000, 1 / 16

#: Files whose rows are counted side by side.
_COUNTED_AT_ONCE = 4

_ROWS_KEPT = 1_000_000  # some 100 bytes each; those that were asked for last
_ROWS_OF_FRAME = 50  # which a frame costs whatever is in it


class _ReadFigures:
    """What this process has read, by the address of the file and the name of the figure: a file never changes."""

    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[str, str], pl.DataFrame] = OrderedDict()
        self._rows = 0
        self._keeping = Lock()  # sensors are evaluated side by side

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._counts

    def get(self, key: tuple[str, str]) -> pl.DataFrame | None:
        return self._counts.get(key)

    def clear(self) -> None:
        with self._keeping:
            self._counts.clear()
            self._rows = 0

    def keep(self, found: Mapping[tuple[str, str], pl.DataFrame]) -> None:
        """Remember what was read, and forget what was asked for longest ago where it is too much."""
        with self._keeping:
            for key, counts in found.items():
                self._rows += _ROWS_OF_FRAME + counts.height - self._rows_of(self._counts.pop(key, None))
                self._counts[key] = counts
            while self._rows > _ROWS_KEPT:
                self._rows -= self._rows_of(self._counts.popitem(last=False)[1])

    @staticmethod
    def _rows_of(counts: pl.DataFrame | None) -> int:
        return 0 if counts is None else _ROWS_OF_FRAME + counts.height


_READ = _ReadFigures()


class _Kept(msgspec.Struct):
    """What is in a footer. `file` tells a file from one that another writer made of it, with its footer."""

    file: str
    figures: dict[str, dict[str, list[int | str | None]]]


class FigureCounts:
    """Counts the rows of a file while it is written."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        """Begin with no rows."""
        self._counts: dict[str, tuple[Figure, list[pl.DataFrame]]] = {each.name: (each, []) for each in figures}
        self._rows = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Count rows of the file. What they lack the columns for is left out."""
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
        """Return the metadata of a file of a table; none where there is no figure.

        This process knows the figures from now on, and those after it where the table is in a bucket: what they judge,
        they or others before them have written.
        """
        found = {
            name: figure.add_up(pl.concat(counts)) if counts[1:] else counts[0]
            for name, (figure, counts) in self._counts.items()
            if counts
        }
        longest = max(_SHORT, self._rows * _SHARE)
        short = {name: counts for name, counts in found.items() if counts.height <= longest}
        if not short:
            return {}
        uri = table.storage.uri(table.name, path)
        _READ.keep({(uri, name): counts for name, counts in short.items()})
        kept = {name: self._counts[name][0].to_json(counts) for name, counts in short.items()}
        text = msgspec.json.encode(_Kept(name_in_footer(path), kept)).decode()
        keep_figures(table, {path: text})
        return {_KEY: text}


def read_figure(
    table: TableLocation,
    files: Collection[DataFile],
    figure: Figure,
    schema: pl.Schema | None = None,
    *,
    in_rows: bool = False,
) -> pl.DataFrame:
    """Return the counts of some files of a table beside each other, with the column of their partitions.

    They are read from the footers; a file without them is counted in its rows, and all are with `in_rows`; of samples,
    it has none. `schema` is that of the rows, by default of the table as it is defined. Raises StorageError, or what
    polars raises, where a file cannot be read.
    """
    found = {} if in_rows else _read_footers(table, files, figure)
    files = [file for file in files if file.uri in found] if figure.is_sampled else files
    left = [file for file in files if file.uri not in found]
    counted = imap_threads(lambda file: _count_rows(table, [file], figure, schema), left, _COUNTED_AT_ONCE)
    found |= {file.uri: counts for file, counts in zip(left, counted, strict=True)}
    if not in_rows:
        _READ.keep({(uri, figure.name): counts for uri, counts in found.items()})
    if not files:
        return _with_day(table, _count_rows(table, [], figure, schema).clear(), None)
    by_day: dict[date, list[pl.DataFrame]] = {}
    for file in files:
        by_day.setdefault(file.partition, []).append(found[file.uri])
    return pl.concat(_with_day(table, pl.concat(counts), day) for day, counts in by_day.items())


def _with_day(table: TableLocation, counts: pl.DataFrame, day: date | None) -> pl.DataFrame:
    days = pl.Series(str(table.partition_column), [day], dtype=pl.Date).new_from_index(0, counts.height)
    return counts.hstack([days])


def _read_footers(table: TableLocation, files: Collection[DataFile], figure: Figure) -> dict[str, pl.DataFrame]:
    """Return the counts of those files that have them, by address. The other figures of a footer are remembered."""
    known = {file.uri: counts for file in files if (counts := _READ.get((file.uri, figure.name))) is not None}
    unread = [file for file in files if file.uri not in known]
    figures = [figure, *(each for each in table.spec.figures if each.name != figure.name)]
    footers = {file.uri: _parse(text, file.path) for file, text in _read_texts(table, unread)}
    found = {
        (uri, each.name): counts
        for each in figures
        for uri, counts in _counts_of(
            each, {uri: values[each.name] for uri, values in footers.items() if each.name in values}
        ).items()
    }
    _READ.keep(found)
    return known | {uri: counts for (uri, name), counts in found.items() if name == figure.name}


def _read_texts(table: TableLocation, files: Collection[DataFile]) -> list[tuple[DataFile, str]]:
    """Return the figures in the footers of those files that have them; of files in a bucket they are kept."""
    kept = {} if table.storage.is_local or not files else load_figures(table, [file.path for file in files])
    left = [file for file in files if file.path not in kept]
    each = map if table.storage.is_local else imap_threads  # to start a thread takes as long as to read a footer
    ends = each(lambda file: read_end(table.storage, file), left)
    read = {file.path: text for file, end in zip(left, ends, strict=True) if (text := end.metadata.get(_KEY))}
    keep_figures(table, read)
    texts = kept | read
    return [(file, texts[file.path]) for file in files if file.path in texts]


def _count_rows(
    table: TableLocation, files: Sequence[DataFile], figure: Figure, schema: pl.Schema | None
) -> pl.DataFrame:
    return figure.count(scan_files(table, files, schema)).collect(engine="streaming")


def is_read(file: DataFile, figure: Figure) -> bool:
    """Return whether this process knows a figure of a file."""
    return (file.uri, figure.name) in _READ


def _parse(text: str, path: str) -> dict[str, dict[str, list[int | str | None]]]:
    """Return the values of the figures of a file by name and column; none where the platform did not write them."""
    try:
        kept = msgspec.json.decode(text, type=_Kept)
    except msgspec.MsgspecError:
        return {}
    if kept.file != name_in_footer(path):
        return {}
    return {name: values for name, values in kept.figures.items() if len({*map(len, values.values())}) == 1}


def _counts_of(figure: Figure, values: Mapping[str, Mapping[str, list[int | str | None]]]) -> dict[str, pl.DataFrame]:
    """Return the counts of files, by address; none of those that hold something else.

    They are slices of one frame: to make one for each file takes longer than to read it.
    """
    found: dict[str, pl.DataFrame] = {}
    for columns, alike in groupby(sorted(values, key=lambda uri: [*values[uri]]), key=lambda uri: [*values[uri]]):
        uris = list(alike)
        joined = {column: list(chain.from_iterable(values[uri][column] for uri in uris)) for column in columns}
        try:
            counts = figure.from_json(joined)
        except (pl.exceptions.PolarsError, TypeError, ValueError):  # not as the platform writes it
            if uris[1:]:
                for uri in uris:
                    found |= _counts_of(figure, {uri: values[uri]})
            continue
        heights = [len(values[uri][columns[0]]) for uri in uris]
        starts = accumulate(heights, initial=0)
        found |= {uri: counts.slice(start, rows) for uri, start, rows in zip(uris, starts, heights, strict=False)}
    return found

"""`event-platform query`: SQL over the tables of the lake. Nothing else can be read."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

# The parser of polars' SQL, so that table names and table functions are found as by polars. It has no public name.
from polars._plr import PySQLContext

from event_platform.cli.rows import print_csv, print_json, print_table
from event_platform.environment import Environment
from event_platform.events.catalog import load_catalog
from event_platform.events.documents import has_surrogate
from event_platform.events.errors import PanicError, TableError, raise_panics_as_errors
from event_platform.lake.schemas import field_names, to_delta, type_name
from event_platform.lake.tables import Table
from event_platform.pipeline.opening import open_lake
from event_platform.quality.text import shown
from event_platform.storage.polars_errors import translate_errors
from event_platform.storage.threads import map_threads

#: The first word of a statement, after spaces, comments and parentheses.
_FIRST_WORD = re.compile(r"(?:\s|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*(\w*)", re.DOTALL)
_READING = {"select", "with", "from", "values", "explain"}
_SHOW_TABLES = re.compile(r"show\s+tables\s*;?\s*$", re.IGNORECASE)
_DESCRIBING = re.compile(r"(?:describe|desc)(?:\s+table)?\b", re.IGNORECASE)

#: Table functions that read files and URLs.
_READERS = re.compile(r"(read|scan)_\w+", re.IGNORECASE)

_NO_TABLE = re.compile(r"relation '(.+)' was not found")
_NO_COLUMN = re.compile(r"""(?:unable to find column|column named) (["'])(?P<name>.+?)\1""")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')

#: Rows of a table for people; --json and --csv have all rows.
_SHOWN_ROWS = 100
_REASON_LENGTH = 500


def run_query(environment: Environment, sql: str, form: str | None) -> None:
    """Print the rows of `sql` as a table, `json` or `csv`. Raises TableError with one line if the query fails."""
    tables = _tables(environment)
    opened: dict[str, pl.LazyFrame] = {}
    try:
        with translate_errors(), raise_panics_as_errors():
            word = _first_word(sql)
            rows = _answer(word, sql, tables, opened)
            if form == "json":
                print_json(rows)
            elif form == "csv":
                print_csv(rows)
            else:
                print_table(rows, _SHOWN_ROWS if word in _READING else None)
    except (pl.exceptions.PolarsError, PanicError) as error:
        raise _failed(_reason(error, tables, opened)) from error


def _tables(environment: Environment) -> dict[str, Table]:
    lake, event_types = open_lake(environment.lake), load_catalog(environment.catalog).event_types
    return {table.name.replace("/", "."): table for table in lake.every_table(event_types)}


def _answer(word: str, sql: str, tables: Mapping[str, Table], opened: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Return the rows of a statement. The tables in the statement are opened and added to `opened`."""
    if has_surrogate(sql):  # Python decodes other bytes of an argument to these
        raise _failed("the statement is not UTF-8")
    if word in {"describe", "desc"}:
        return _columns_of(_described(_DESCRIBING.sub("describe", sql, count=1), tables))
    if word == "show" and _SHOW_TABLES.search(sql):
        return pl.LazyFrame({"table": sorted(tables)})
    if word not in _READING:
        raise _failed(f"expected select …, show tables or describe <table>, got {word or 'nothing'}")
    names = _named(sql, tables)
    opened |= zip(names, map_threads(lambda name: tables[name].snapshot().scan(), names), strict=True)
    return pl.SQLContext(opened).execute(sql)


def _first_word(sql: str) -> str:
    match = _FIRST_WORD.match(sql)
    return match[1].lower() if match else ""


def _named(sql: str, tables: Mapping[str, Table]) -> list[str]:
    """Return the tables in a statement. Raises TableError if it would read anything else."""
    # The names of common table expressions are among them.
    names = PySQLContext.table_identifiers(sql, include_schema=True, unique=True)
    readers = [name for name in names if _READERS.fullmatch(name)]
    if readers:
        raise _failed(f"{readers[0]} is not allowed: only the lake's tables can be read (show tables lists them)")
    spelled = [_spelled(name, tables) for name in names]
    return list(dict.fromkeys(name for name in spelled if name is not None))


def _spelled(name: str, tables: Iterable[str]) -> str | None:
    """Return the name of a table in the case of the lake; None if there is no such table. Exact matches come first."""
    return next((table for table in (name, *tables) if table in tables and table.lower() == name.lower()), None)


def _described(sql: str, tables: Mapping[str, Table]) -> Table:
    names = PySQLContext.table_identifiers(sql, include_schema=True)
    if len(names) != 1:
        raise _failed("expected describe <table>")
    spelled = _spelled(names[0], tables)
    if spelled is None:
        raise _failed(_no_table(names[0], tables))
    return tables[spelled]


def _columns_of(table: Table) -> pl.LazyFrame:
    """Return the columns of a table, with their types and comments."""
    snapshot = table.snapshot()
    logged = snapshot.delta.schema().fields if snapshot.delta else []
    comments = {field.name: field.metadata.get("comment") for field in logged} | dict(table.spec.comments)
    columns = [
        (field.name, type_name(field.type), comments.get(field.name) or None)
        for field in to_delta(snapshot.schema, {}).fields
    ]
    return pl.LazyFrame(columns, {"column": pl.String, "type": pl.String, "comment": pl.String}, orient="row")


def _failed(reason: str) -> TableError:
    return TableError(f"the query failed: {reason}")


def _reason(error: BaseException, tables: Iterable[str], opened: Mapping[str, pl.LazyFrame]) -> str:
    """Return an error in one line: the messages of polars end with a query plan of many lines."""
    words = " ".join(str(error).partition("\n\n")[0].split())
    if no_table := _NO_TABLE.search(words):
        return _no_table(no_table[1], tables)
    schemas = [rows.collect_schema() for rows in opened.values()]
    if isinstance(error, pl.exceptions.StructFieldNotFoundError):
        return _no_column(words, opened, [name for schema in schemas for name in field_names(pl.Struct(schema))])
    if no_column := _NO_COLUMN.search(words):
        _, _, valid = words.partition("valid columns: ")
        columns = _QUOTED.findall(valid) or [name for schema in schemas for name in schema]
        return _no_column(no_column["name"], opened, columns)
    return shown(words, _REASON_LENGTH)


def _no_table(name: str, tables: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.lower(), tables)
    return f"no table {name}; {_did_you_mean(near) or 'show tables lists all of them'}"


def _no_column(name: str, tables: Iterable[str], columns: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, columns)
    place = f" in {', '.join(tables)}" if tables else ""
    there_are = shown(f"there are {', '.join(columns)}", _REASON_LENGTH)
    return f"no column {name}{place}; {_did_you_mean(near) or there_are}"


def _did_you_mean(near: Sequence[str]) -> str:
    return f"did you mean {' or '.join(near)}?" if near else ""

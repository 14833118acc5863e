"""SQL expressions of derived columns: validation, the columns they use, and evaluation.

An expression depends on its row alone, so that the same records give the same rows however they are split. Therefore
aggregates, windows and the clock are rejected. Anything that could name a file or a table is rejected as well.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

#: Texts, quoted names, words, and single characters of anything else.
_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\w+|\s+|.""", re.DOTALL)
_WORD = re.compile(r"\w+")

#: First characters of what the parser reads differently from `_TOKEN`: other quotes, placeholders, statements.
_REFUSED_CHARACTERS = frozenset("`$;\\'\"")
_COMMENTS = ("--", "/*")

#: Words of queries. As the name of a column, such a word has to be in double quotes.
_QUERY = frozenset(["describe", "explain", "over", "pivot", "select", "show", "table", "unpivot", "values", "with"])
_FILE_FUNCTION = re.compile(r"(?:read|scan)_\w+")
#: Functions with a FROM of their own: `extract(week from created_datetime)`.
_WITH_FROM = frozenset(["extract", "substring", "trim"])
_CLOCK = frozenset(["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "now", "today"])

#: A function whose type polars must know, and its replacement without one.
_NEEDS_TYPE, _ANY_TYPES = "date_trunc", "coalesce"

#: polars' node types for expressions of a single row; and functions that are excluded.
_NODES = frozenset(["BinaryExpr", "Cast", "Column", "Element", "Eval", "Function", "Literal", "Ternary"])
_OF_MANY_ROWS = frozenset(["Correlation", "Quantile", "Range", "Ranges"])

_FRAME = "frame"
_MOST_CHARACTERS = 10_000


class ExpressionError(ValueError):
    """An expression was rejected. The message has the reason; the caller adds the location."""


def columns_used(expression: str) -> tuple[str, ...]:
    """Return the names of the columns that an expression uses, sorted. Raises ExpressionError."""
    if len(expression) > _MOST_CHARACTERS:
        raise ExpressionError(f"longer than {_MOST_CHARACTERS:,} characters")
    # Before polars parses it: polars reads files while parsing a query.
    tokens = _TOKEN.findall(expression)
    for fault in _token_faults(tokens):
        raise ExpressionError(fault)
    parsed = _parse("".join(_ANY_TYPES if token.lower() == _NEEDS_TYPE else token for token in tokens))
    names = set(_nodes(json.loads(parsed.meta.serialize(format="json"))))
    if names - _NODES:
        raise ExpressionError("expected the value of a row by that row alone: no aggregate, window, alias or query")
    used = tuple(sorted(set(parsed.meta.root_names())))
    if not used:
        raise ExpressionError("it uses no column")
    return used


def evaluate(expressions: Mapping[str, str], frame: pl.DataFrame) -> pl.DataFrame:
    """Return the values of validated expressions by name. Raises the errors of polars."""
    # On lines of their own, so that a comment at their end does no harm.
    listed = ", ".join(f'(\n{text}\n) AS "{name}"' for name, text in expressions.items())
    with pl.SQLContext({_FRAME: frame.lazy()}) as context:
        return context.execute(f"SELECT {listed} FROM {_FRAME}").collect()  # noqa: S608 - of accepted expressions


def _parse(expression: str) -> pl.Expr:
    try:
        return pl.sql_expr(expression)
    except pl.exceptions.PolarsError as error:
        raise ExpressionError(first_line(error)) from error


def first_line(error: BaseException) -> str:
    """Return the first line of an error: polars appends the plan of the query."""
    return str(error).strip().partition("\n")[0].strip() or type(error).__name__


def _token_faults(tokens: list[str]) -> Iterator[str]:
    outer: list[str] = []  # the word before each open parenthesis
    before = space = ""  # the last non-blank token, and the blanks after it
    for word in tokens:
        if word.isspace():
            space = word
            continue
        yield from _token_fault(word.lower(), before, outer, is_next=not space)
        if word == "(":
            outer.append(before)
        elif word == ")" and outer:
            outer.pop()
        before, space = word.lower(), ""


def _token_fault(word: str, before: str, outer: list[str], *, is_next: bool) -> Iterator[str]:
    if word in _REFUSED_CHARACTERS:
        yield f"{word} is not expected; texts are in single quotes, names of columns in double quotes"
    if is_next and before + word in _COMMENTS:
        yield "comments are not expected"
    if is_next and word.startswith("'") and (_WORD.fullmatch(before) or before == "&"):
        yield f"a text with {before} before it is not expected"
    if word in _QUERY or _FILE_FUNCTION.fullmatch(word):
        yield f"{word}: an expression reads the columns of its row only; the name of a column goes in double quotes"
    if word == "from" and (before == "(" or not outer or outer[-1] not in _WITH_FROM):
        yield "from: an expression reads the columns of its row only"
    if word in _CLOCK:
        yield f"{word}: an event has the same values whenever it is read; use created_datetime"


def _nodes(tree: Any) -> Iterator[str]:
    """Yield the kinds of nodes of an expression; of functions that need more than a row, their names."""
    if isinstance(tree, str):
        yield tree
        return
    ((kind, content),) = tree.items()
    yield kind
    if kind == "Function":
        yield from _OF_MANY_ROWS & set(_names(content["function"]))
        for argument in content["input"]:
            yield from _nodes(argument)
    elif kind == "Cast":
        yield from _nodes(content["expr"])
    elif kind == "BinaryExpr":
        yield from (node for side in ("left", "right") for node in _nodes(content[side]))
    elif kind == "Ternary":
        yield from (node for part in ("predicate", "truthy", "falsy") for node in _nodes(content[part]))
    elif kind == "Eval":
        yield from _nodes(content["expr"])


def _names(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        for key, below in tree.items():
            yield key
            yield from _names(below)

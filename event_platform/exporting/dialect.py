"""How names and texts are written in the SQL of a warehouse. Names and comments come from data and never become SQL."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from event_platform.events.errors import SettingError

#: Longer comments are cut: the lowest limit of all warehouses, that of columns in BigQuery.
_MAX_COMMENT_LENGTH = 1_024


@dataclass(frozen=True)
class Dialect:
    """The quoting rules and limits of one warehouse, according to its manual."""

    name: str
    quote: str = '"'
    backslash: bool = False  # whether a backslash escapes in texts
    fold: Callable[[str], str] = str  # the case in which names are stored
    column_names: re.Pattern[str] = re.compile(".+")  # names of columns that can be quoted
    names_rule: str = "printable characters"  # the rule of `column_names` in words, for messages
    checks_fields: bool = False  # whether the rule of column names applies to fields of objects, too
    table_names: re.Pattern[str] = re.compile(".+")  # names of tables
    reserved_prefixes: tuple[str, ...] = ()  # of column names, in upper case
    max_length: int = 255  # of a name
    counts_bytes: bool = False  # whether `max_length` is in bytes, instead of characters
    max_columns: int | None = None  # of a view; None if unlimited

    def identifier(self, *parts: str) -> str:
        """Return a quoted name of one or more parts. Raises SettingError if a part cannot be quoted."""
        return ".".join(map(self._quote, parts))

    def literal(self, text: str) -> str:
        """Return a text in quotes. Raises SettingError for one with invisible characters, such as line breaks."""
        if not text.isprintable():
            raise SettingError(f"{one_line(text)!r} has invisible characters; remove them")
        text = text.replace("\\", "\\\\") if self.backslash else text
        # Clients split files at semicolons, and some ignore that a backslash escapes: two quotes are safer.
        quote = "\\'" if self.backslash and self.quote == "`" else "''"
        return "'" + text.replace("'", quote) + "'"

    def comment(self, text: str) -> str:
        """Return the beginning of a comment in quotes, in one line and without invisible characters."""
        return self.literal(one_line(text)[:_MAX_COMMENT_LENGTH])

    def table_fault(self, name: str) -> str | None:
        """Return why a table or view cannot have this name; None if it can."""
        return self._name_fault(name, self.table_names)

    def _name_fault(self, name: str, pattern: re.Pattern[str]) -> str | None:
        size = len(name.encode() if self.counts_bytes else name)
        if size > self.max_length:
            unit = "bytes" if self.counts_bytes else "characters"
            return f"the name {one_line(name)!r} has {size:,} {unit}; {self.name} allows {self.max_length}"
        if not (name.isprintable() and pattern.fullmatch(name)):
            return f"{self.name} has no name {one_line(name)!r}; expected {self.names_rule}"
        return None

    def column_fault(self, columns: Sequence[str], fields: Sequence[str] = ()) -> str | None:
        """Return why a view cannot have these columns, with these fields of objects; None if it can."""
        if self.max_columns is not None and len(columns) > self.max_columns:
            return f"{len(columns):,} columns; {self.name} allows {self.max_columns:,} in a view"
        stored_names = [self.fold(column) for column in columns]
        duplicate, count = next(iter(Counter(map(str.casefold, stored_names)).most_common(1)), ("", 0))
        if count > 1:
            return f"two columns would be called {one_line(duplicate)!r}: {self.name} ignores case"
        reserved_name = next((column for column in columns if column.upper().startswith(self.reserved_prefixes)), None)
        if self.reserved_prefixes and reserved_name is not None:
            return f"the beginning of the column name {one_line(reserved_name)!r} is reserved in {self.name}"
        names = [*stored_names, *(fields if self.checks_fields else ())]
        return next(filter(None, (self._name_fault(each, self.column_names) for each in names)), None)

    def _quote(self, name: str) -> str:
        if not name or not name.isprintable() or (self.quote == "`" and self.backslash and re.search(r"[`\\]", name)):
            raise SettingError(f"{one_line(name)!r} cannot be a name in {self.name}")
        return f"{self.quote}{name.replace(self.quote, 2 * self.quote)}{self.quote}"


def one_line(text: str) -> str:
    """Return a text in one line, without invisible characters."""
    return "".join(each for each in " ".join(text.split()) if each.isprintable())

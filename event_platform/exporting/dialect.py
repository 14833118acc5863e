"""How names and texts are written in the SQL of a warehouse. Names and comments come from data and never become SQL."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from event_platform.events.errors import SettingError

#: Characters of a comment that are kept: the least that a warehouse allows (columns in BigQuery).
_COMMENT_LENGTH = 1_024


@dataclass(frozen=True)
class Dialect:
    """The quoting rules and limits of one warehouse, according to its manual."""

    name: str
    quote: str = '"'
    backslash: bool = False  # escapes in texts
    fold: Callable[[str], str] = str  # the case in which names are stored
    names: re.Pattern[str] = re.compile(".+")  # of columns, that can be quoted
    names_in_words: str = "printable characters"
    fields_too: bool = False  # fields of objects need such names, too
    tables: re.Pattern[str] = re.compile(".+")  # names of tables
    reserved: tuple[str, ...] = ()  # beginnings of column names, in upper case
    length: int = 255  # of a name
    length_in_bytes: bool = False
    columns: int | None = None  # of a view

    def identifier(self, *parts: str) -> str:
        """Return a quoted name of one or more parts. Raises SettingError if a part cannot be quoted."""
        return ".".join(map(self._quoted, parts))

    def literal(self, text: str) -> str:
        """Return a text in quotes. Raises SettingError for one with invisible characters, such as line breaks."""
        if not text.isprintable():
            raise SettingError(f"{one_line(text)!r} has invisible characters, which no SQL is written with")
        text = text.replace("\\", "\\\\") if self.backslash else text
        # Clients cut files at semicolons, and not all of them know that a backslash escapes: two quotes are safer.
        quote = "\\'" if self.backslash and self.quote == "`" else "''"
        return "'" + text.replace("'", quote) + "'"

    def comment(self, text: str) -> str:
        """Return the beginning of a comment in quotes, in one line and without invisible characters."""
        return self.literal(one_line(text)[:_COMMENT_LENGTH])

    def table_fault(self, name: str) -> str | None:
        """Return why a table or view cannot have this name; None if it can."""
        return self._name_fault(name, self.tables)

    def _name_fault(self, name: str, pattern: re.Pattern[str]) -> str | None:
        size = len(name.encode() if self.length_in_bytes else name)
        if size > self.length:
            unit = "bytes" if self.length_in_bytes else "characters"
            return f"the name {one_line(name)!r} has {size:,} {unit}; {self.name} allows {self.length}"
        if not (name.isprintable() and pattern.fullmatch(name)):
            return f"{self.name} has no name {one_line(name)!r}; expected {self.names_in_words}"
        return None

    def column_fault(self, columns: Sequence[str], fields: Sequence[str] = ()) -> str | None:
        """Return why a view cannot have these columns, with these fields of objects; None if it can."""
        if self.columns is not None and len(columns) > self.columns:
            return f"{len(columns):,} columns; {self.name} allows {self.columns:,} in a view"
        folded = [self.fold(column) for column in columns]
        twice, times = next(iter(Counter(map(str.casefold, folded)).most_common(1)), ("", 0))
        if times > 1:
            return f"two columns would be called {one_line(twice)!r}: {self.name} ignores case"
        reserved = next((column for column in columns if column.upper().startswith(self.reserved)), None)
        if self.reserved and reserved is not None:
            return f"the beginning of the column name {one_line(reserved)!r} is reserved in {self.name}"
        names = [*folded, *(fields if self.fields_too else ())]
        return next(filter(None, (self._name_fault(each, self.names) for each in names)), None)

    def _quoted(self, name: str) -> str:
        if not name or not name.isprintable() or (self.quote == "`" and self.backslash and re.search(r"[`\\]", name)):
            raise SettingError(f"{one_line(name)!r} cannot be a name in {self.name}")
        return f"{self.quote}{name.replace(self.quote, 2 * self.quote)}{self.quote}"


def one_line(text: str) -> str:
    """Return a text in one line, without invisible characters."""
    return "".join(each for each in " ".join(text.split()) if each.isprintable())

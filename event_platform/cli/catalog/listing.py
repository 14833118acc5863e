"""How commands list findings in a catalog: as a table, as JSON, or as GitHub annotations."""

from collections import Counter
from collections.abc import Collection, Iterable
from enum import StrEnum
from os.path import relpath
from pathlib import Path

from rich import box
from rich.table import Table

from event_platform.cli.output import OUT
from event_platform.events.wording import counted
from event_platform.quality.text import shown

#: Maximum characters of a cell of a table.
CHARACTERS = 240
#: Characters to escape in GitHub's workflow commands: in a message, and additionally in a property.
_IN_MESSAGE = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTY = _IN_MESSAGE | str.maketrans({":": "%3A", ",": "%2C"})


class Format(StrEnum):
    """How differences are printed."""

    TABLE = "table"
    JSON = "json"
    GITHUB = "github"


def new_table(*heads: str, figures: Collection[str] = ()) -> Table:
    """Return an empty table, in which no text is cut; `figures` are aligned to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, justify="right" if head in figures else "left", overflow="fold")
    return table


def add_row(table: Table, *cells: str, style: str | None = None) -> None:
    """Add a row of texts, which may come from the data."""
    table.add_row(*(shown(cell, CHARACTERS) for cell in cells), style=style)


def print_kinds(noun: str, kinds: Iterable[StrEnum], order: Iterable[StrEnum]) -> None:
    """Print how many there are of each kind: `3 changes: 1 breaking, 2 compatible`."""
    counts = Counter(kinds)
    parts = [f"{counts[kind]:,} {kind}" for kind in order if counts[kind]]
    OUT.print(f"{counted(counts.total(), noun)}: {', '.join(parts)}" if parts else f"no {noun}s", soft_wrap=True)


def annotation(level: str, file: Path, title: str, message: str) -> str:
    """Return the workflow command with which GitHub shows a message beside a file."""
    where = f"file={_escape(relpath(file), _IN_PROPERTY)},title={_escape(title, _IN_PROPERTY)}"
    return f"::{level} {where}::{_escape(message, _IN_MESSAGE)}"


def _escape(text: str, codes: dict[int, str]) -> str:
    return shown(text, 5 * CHARACTERS).translate(codes)

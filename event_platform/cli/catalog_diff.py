"""`event-platform catalog diff`: the changes between two catalogs, as a table, as JSON, or as annotations of GitHub."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from os.path import relpath
from pathlib import Path

from rich import box
from rich.table import Table

from event_platform.cli.catalog_source import read_other_catalog
from event_platform.cli.output import OUT
from event_platform.events.evolution.catalogs import compare_catalogs, read_catalog_files
from event_platform.events.evolution.change import Change, Impact
from event_platform.events.wording import counted
from event_platform.quality.text import shown

_STYLES = {Impact.BREAKING: "red", Impact.BACKFILL: "yellow", Impact.COMPATIBLE: None}
_LEVELS = {Impact.BREAKING: "error", Impact.BACKFILL: "warning", Impact.COMPATIBLE: "notice"}
CHARACTERS = 240
#: What a workflow command of GitHub does not take as it is: in a message, and in a property as well.
_IN_MESSAGE = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTY = _IN_MESSAGE | str.maketrans({":": "%3A", ",": "%2C"})


class Format(StrEnum):
    """How changes are printed."""

    TABLE = "table"
    JSON = "json"
    GITHUB = "github"


def show_changes(folder: Path, against: str, output: Format) -> int:
    """Print the changes from the catalog `against` to the one in `folder`; return 1 if one is breaking, else 0."""
    changes = compare_catalogs(read_other_catalog(against, folder), read_catalog_files(folder))
    is_breaking = any(each.impact is Impact.BREAKING for each in changes)
    match output:
        case Format.JSON:
            print(json.dumps({"breaking": is_breaking, "changes": [asdict(each) for each in changes]}))  # noqa: T201 - rich would wrap it
        case Format.GITHUB:
            for each in changes:
                title, message = f"{each.impact}: {_where(each)}", f"{_sides(each)}: {each.action}"
                OUT.print(annotation(_LEVELS[each.impact], folder / each.file, title, message), soft_wrap=True)
        case Format.TABLE:
            _print_table(changes)
    return 1 if is_breaking else 0


def _print_table(changes: Sequence[Change]) -> None:
    if changes:
        OUT.print(_table(changes))
    counts = Counter(each.impact for each in changes)
    parts = [f"{counts[impact]:,} {impact}" for impact in _STYLES if counts[impact]]
    OUT.print(f"{counted(len(changes), 'change')}: {', '.join(parts)}" if parts else "no changes", soft_wrap=True)


def _table(changes: Sequence[Change]) -> Table:
    table = Table("class", box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("where", "change", "what to do"):
        table.add_column(head, overflow="fold")
    for each in changes:
        cells = (shown(cell, CHARACTERS) for cell in (_where(each), _sides(each), each.action))
        table.add_row(each.impact, *cells, style=_STYLES[each.impact])
    return table


def _where(change: Change) -> str:
    return f"{change.event_type or 'envelope'} {change.path}".rstrip()


def _sides(change: Change) -> str:
    before, after = (shown(side or "absent", CHARACTERS // 2) for side in (change.before, change.after))
    return f"{before} → {after}"


def annotation(level: str, file: Path, title: str, message: str) -> str:
    """Return the workflow command with which GitHub shows a message beside a file."""
    where = f"file={_escape(relpath(file), _IN_PROPERTY)},title={_escape(title, _IN_PROPERTY)}"
    return f"::{level} {where}::{_escape(message, _IN_MESSAGE)}"


def _escape(text: str, codes: dict[int, str]) -> str:
    return shown(text, 5 * CHARACTERS).translate(codes)

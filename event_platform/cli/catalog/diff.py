"""`event-platform catalog diff`: the changes between two catalogs, as a table, as JSON, or as annotations of GitHub."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from event_platform.cli.catalog.listing import CHARACTERS, Format, add_row, annotation, new_table, print_kinds
from event_platform.cli.catalog.source import read_other_catalog
from event_platform.cli.output import OUT
from event_platform.events.evolution.catalogs import compare_catalogs, read_catalog_files
from event_platform.events.evolution.change import Change, Impact
from event_platform.quality.text import shown

_STYLES = {Impact.BREAKING: "red", Impact.BACKFILL: "yellow", Impact.COMPATIBLE: None}
_LEVELS = {Impact.BREAKING: "error", Impact.BACKFILL: "warning", Impact.COMPATIBLE: "notice"}


def show_changes(folder: Path, against: str, output: Format) -> int:
    """Print the changes from catalog `against` to the catalog in `folder`; return 1 if one is breaking, else 0."""
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
        table = new_table("class", "where", "change", "what to do")
        for each in changes:
            add_row(table, each.impact, _where(each), _sides(each), each.action, style=_STYLES[each.impact])
        OUT.print(table)
    print_kinds("change", (each.impact for each in changes), _STYLES)


def _where(change: Change) -> str:
    return f"{change.event_type or 'envelope'} {change.path}".rstrip()


def _sides(change: Change) -> str:
    before, after = (shown(side or "absent", CHARACTERS // 2) for side in (change.before, change.after))
    return f"{before} → {after}"

"""`event-platform catalog check --against-lake`: conflicts that the next run would meet in the tables."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from event_platform.cli.catalog.check import load_with_faults, print_faults
from event_platform.cli.catalog.listing import add_row, new_table
from event_platform.cli.output import OUT
from event_platform.environment import Environment
from event_platform.events.wording import counted
from event_platform.lake.catalog_clashes import TableClash, find_table_clashes
from event_platform.pipeline.opening import open_lake


def show_clashes(environment: Environment, folder: Path, *, as_json: bool) -> int:
    """Check a catalog, then print its conflicts with the tables of the lake; return 1 if a run would fail, else 0."""
    event_types, faults = load_with_faults(folder)
    if not as_json and print_faults(folder, event_types, faults):
        return 1
    clashes = [] if faults else find_table_clashes(open_lake(environment.lake), event_types)
    fails = bool(faults) or any(each.fails for each in clashes)
    if as_json:
        rows = [asdict(each) | {"fails": each.fails} for each in clashes]
        print(json.dumps({"fails": fails, "faults": faults, "clashes": rows}))  # noqa: T201 - rich would wrap it
    else:
        _print_table(environment, clashes)
    return 1 if fails else 0


def _print_table(environment: Environment, clashes: Sequence[TableClash]) -> None:
    table = new_table("class", "column", "table → catalog", "what to do")
    for each in clashes:
        sides = f"{each.stored} → {each.defined or 'absent'}"
        where = f"{each.table} {each.column}".rstrip()
        add_row(table, each.kind, where, sides, each.action, style="red" if each.fails else "yellow")
    if clashes:
        OUT.print(table)
    failing = sum(each.fails for each in clashes)
    verdict = f"a run would fail on {counted(failing, 'column')}" if failing else "no run fails on a column"
    OUT.print(f"{environment.lake}: {verdict}", soft_wrap=True)

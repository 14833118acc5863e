"""`event-platform status --verify`: the proof that does not trust the logs, day by day."""

import json
from dataclasses import asdict
from typing import Any

from event_platform.cli.output import ERR, OUT, progress_bars
from event_platform.cli.status import days_table
from event_platform.environment import Environment
from event_platform.events.catalog import Catalog
from event_platform.lake.verification import EVENT_TABLES, Verification, verify
from event_platform.pipeline.opening import open_lake

_SHOWN_FAULTS = 50


def show_verification(environment: Environment, catalog: Catalog, *, as_json: bool) -> int:
    """Look for every file of every table, count its rows, and print the figures of each day; return the exit code."""
    lake = open_lake(environment.lake)
    with progress_bars("tables") as bars:
        found = verify(lake, lake.every_table(catalog.event_types), progress=bars)
    if as_json:
        print(json.dumps(_as_json(found)))  # noqa: T201 - rich would wrap it
    else:
        _print(found)
    return 1 if found.faults else 0


def _print(found: Verification) -> None:
    OUT.print(days_table(_by_arrival_date(found), "By arrival date, as counted in the files"))
    OUT.print(days_table(_by_created_date(found), "By created date, as counted in the files"))
    for fault in found.faults[:_SHOWN_FAULTS]:
        ERR.print(str(fault), style="red", soft_wrap=True)
    if len(found.faults) > _SHOWN_FAULTS:
        ERR.print(f"and {len(found.faults) - _SHOWN_FAULTS:,} more faults; --json has all of them")
    files = f"{found.files:,} files of {found.tables:,} tables, {found.size / 1e6:,.1f} MB"
    if not found.faults:
        OUT.print(f"verified: {files}; every file is there, and every row is where it should be", soft_wrap=True)
        return
    days = ", ".join(map(str, found.faulty_dates))
    OUT.print(
        f"NOT verified: {len(found.faults):,} faults in {files}{f', on {days}' if days else ''}. `event-platform run` "
        "rebuilds days that were altered; docs/runbook.md says what to do about the others.",
        style="red",
        soft_wrap=True,
    )


def _as_json(found: Verification) -> dict[str, Any]:
    return {
        "verified": not found.faults,
        "tables": found.tables,
        "files": found.files,
        "bytes": found.size,
        "by_arrival_date": _by_arrival_date(found),
        "by_created_date": _by_created_date(found),
        "faults": [{**asdict(fault), "day": fault.day and fault.day.isoformat()} for fault in found.faults],
    }


def _by_arrival_date(found: Verification) -> list[dict[str, Any]]:
    return _by_day(found, "arrival_date", {"landed": ["raw_events"], "corrupt": ["corrupt_events"]})


def _by_created_date(found: Verification) -> list[dict[str, Any]]:
    columns = {
        "deduplicated": ["deduplicated_events"],
        "duplicates": ["duplicate_events"],
        "unregistered": ["unregistered_events"],
        "typed": [name for name in found.rows if name.startswith(EVENT_TABLES)],
    }
    return _by_day(found, "created_date", columns)


def _by_day(found: Verification, what: str, columns: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Return a row for each day: the rows of some tables, and the faults in them."""
    own = {name for names in columns.values() for name in names}
    days = {day for name in own for day in found.rows[name]} | {
        fault.day for fault in found.faults if fault.table in own and fault.day is not None
    }
    return [
        {
            what: day.isoformat(),
            **{
                column: sum(found.rows[name][day].rows for name in names if day in found.rows[name])
                for column, names in columns.items()
            },
            "faults": sum(fault.day == day and fault.table in own for fault in found.faults),
        }
        for day in sorted(days)
    ]

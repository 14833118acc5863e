"""`event-platform status --verify`: totals and faults of each day, counted in the files instead of the logs."""

import json
from dataclasses import asdict
from typing import Any

from event_platform.cli.output import ERR, OUT, print_parts, print_warning
from event_platform.cli.progress import show_progress
from event_platform.cli.totals import render_days
from event_platform.environment import Environment
from event_platform.events.catalog import Catalog
from event_platform.events.wording import counted, first_few
from event_platform.lake.verification import EVENT_TABLES, Verification, verify
from event_platform.pipeline.opening import open_lake

_SHOWN_FAULTS, _SHOWN_DAYS = 50, 5


def show_verification(environment: Environment, catalog: Catalog, *, as_json: bool, every: bool) -> int:
    """Check every file of every table, count its rows, and print the totals of each day; return the exit code."""
    lake = open_lake(environment.lake)
    with show_progress("tables") as bars:
        verification = verify(lake, lake.every_table(catalog.event_types), progress=bars)
    if as_json:
        print(json.dumps(_as_json(verification)))  # noqa: T201 - rich would wrap it
    else:
        _print(verification, every=every)
    return 1 if verification.faults else 0


def _print(verification: Verification, *, every: bool) -> None:
    wrong = {str(day) for day in verification.faulty_dates}
    for what, days in (("arrival", _by_arrival_date(verification)), ("created", _by_created_date(verification))):
        print_parts(render_days(days, f"By {what} date, counted in the files", wrong, every=every))
    for fault in verification.faults[:_SHOWN_FAULTS]:
        ERR.print(str(fault), style="red", soft_wrap=True)
    if len(verification.faults) > _SHOWN_FAULTS:
        ERR.print(f"and {len(verification.faults) - _SHOWN_FAULTS:,} more faults; --json prints all of them")
    files = f"{counted(verification.files, 'file')} of {counted(verification.tables, 'table')}"
    files = f"{files}, {verification.size / 1e6:,.1f} MB"
    if verification.unbuilt:
        unbuilt = first_few(verification.unbuilt, _SHOWN_DAYS, "days")
        print_warning(f"not compared: {unbuilt}, of which newer records are not built yet")
    if not verification.faults:
        OUT.print(f"verified: {files}; every file exists, and every row is where it should be", soft_wrap=True)
        return
    faulty = ", ".join(map(str, verification.faulty_dates))
    OUT.print(
        f"NOT verified: {counted(len(verification.faults), 'fault')} in {files}{f', on {faulty}' if faulty else ''}. "
        "`event-platform run` rebuilds altered days; docs/runbook.md says what to do about other faults.",
        style="red",
        soft_wrap=True,
    )


def _as_json(verification: Verification) -> dict[str, Any]:
    return {
        "verified": not verification.faults,
        "tables": verification.tables,
        "files": verification.files,
        "bytes": verification.size,
        "by_arrival_date": _by_arrival_date(verification),
        "by_created_date": _by_created_date(verification),
        "not_compared": [day.isoformat() for day in verification.unbuilt],
        "faults": [{**asdict(fault), "day": fault.day and fault.day.isoformat()} for fault in verification.faults],
    }


def _by_arrival_date(verification: Verification) -> list[dict[str, Any]]:
    return _by_day(verification, "arrival_date", {"landed": ["raw_events"], "corrupt": ["corrupt_events"]})


def _by_created_date(verification: Verification) -> list[dict[str, Any]]:
    columns = {
        "deduplicated": ["deduplicated_events"],
        "duplicates": ["duplicate_events"],
        "unregistered": ["unregistered_events"],
        "typed": [name for name in verification.rows if name.startswith(EVENT_TABLES)],
    }
    return _by_day(verification, "created_date", columns)


def _by_day(verification: Verification, what: str, columns: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Return for each day the rows of groups of tables (`columns`), and the faults in them."""
    own = {name for names in columns.values() for name in names}
    days = {day for name in own for day in verification.rows[name]} | {
        fault.day for fault in verification.faults if fault.table in own and fault.day is not None
    }
    return [
        {
            what: day.isoformat(),
            **{
                column: sum(verification.rows[name][day].rows for name in names if day in verification.rows[name])
                for column, names in columns.items()
            },
            "faults": sum(fault.day == day and fault.table in own for fault in verification.faults),
        }
        for day in sorted(days)
    ]

"""`event-platform catalog diff` without another catalog: compare arriving events with the catalog."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from event_platform.cli.catalog.listing import CHARACTERS, Format, add_row, annotation, new_table, print_kinds
from event_platform.cli.output import OUT, print_warning
from event_platform.environment import Environment
from event_platform.events.differences.name_proposals import Choice
from event_platform.events.differences.proposal import Finding, Proposal
from event_platform.events.evolution.catalogs import read_catalog_files
from event_platform.lake.pinned_lake import PinnedLake
from event_platform.pipeline.differences.find import find_differences
from event_platform.pipeline.opening import open_lake
from event_platform.quality.rows import percent
from event_platform.quality.text import shown

_EXAMPLE_LENGTH = 60


def show_differences(environment: Environment, folder: Path, broken_percent: float, output: Format) -> int:
    """Print how the events in the lake differ from a catalog; return 1 if the user has to act, else 0."""
    lake = open_lake_with_events(environment)
    proposals = find_differences(lake, read_catalog_files(folder), broken_percent / 100, Choice())
    needs_user = any(each.finding.needs_user for each in proposals)
    match output:
        case Format.JSON:
            rows = [as_json(each) for each in proposals]
            print(json.dumps({"needs_user": needs_user, "differences": rows}, default=str))  # noqa: T201 - rich would wrap it
        case Format.GITHUB:
            for each in proposals:
                OUT.print(_annotation(folder, each), soft_wrap=True)
        case Format.TABLE:
            _print_table(proposals)
    return 1 if needs_user else 0


def open_lake_with_events(environment: Environment) -> PinnedLake:
    """Open the lake, with a warning if it has no events: a catalog cannot differ from an empty lake."""
    lake = PinnedLake(open_lake(environment.lake).storage)
    if not lake.deduplicated_events.snapshot().rows_by_date():
        print_warning(
            f"{environment.lake} has no events: event-platform run loads them. If there are some, correct "
            "EVENT_PLATFORM_LAKE"
        )
    return lake


def _print_table(proposals: Sequence[Proposal]) -> None:
    if proposals:
        table = new_table("what", "where", "events", "example", "change", "what to do")
        for each in proposals:
            cells = (_where(each), _seen(each), shown(each.example, _EXAMPLE_LENGTH), _sides(each), each.action)
            add_row(table, each.finding, *cells, style=None if each.finding.needs_user else "dim")
        OUT.print(table)
    print_kinds("difference", (each.finding for each in proposals), Finding)


def as_json(proposal: Proposal) -> dict[str, Any]:
    """Return a difference as JSON values: data is as it is, and dates are texts."""
    edits = [{"at": list(edit.pointer), "what": edit.operation, "value": edit.value} for edit in proposal.edits]
    return asdict(proposal) | {"first": _text(proposal.first), "last": _text(proposal.last), "edits": edits}


def _where(proposal: Proposal) -> str:
    return f"{proposal.event_type} {proposal.path}".rstrip()


def _seen(proposal: Proposal) -> str:
    if proposal.first is None:
        return "none"
    days = f"{proposal.first} to {proposal.last}" if proposal.last != proposal.first else f"{proposal.first}"
    return f"{proposal.events:,} ({percent(proposal.share, 1)}), {days}"


def _sides(proposal: Proposal) -> str:
    before, after = (shown(side, CHARACTERS // 2) for side in (proposal.before, proposal.after))
    return f"{before} → {after}" if before and after else before or after


def _annotation(folder: Path, proposal: Proposal) -> str:
    level = "warning" if proposal.finding.needs_user else "notice"
    title = f"{proposal.finding}: {_where(proposal)}"
    message = ": ".join(filter(None, [_seen(proposal), _sides(proposal), proposal.action]))
    return annotation(level, folder / proposal.file, title, message)


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()

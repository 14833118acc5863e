"""`event-platform mend --dry-run`: the outcome of the catalog's functions for dead letters."""

import json
from collections.abc import Collection, Iterator
from datetime import date
from typing import Any

from rich.console import RenderableType

from event_platform.cli.output import print_parts, print_warning
from event_platform.cli.progress import Listener
from event_platform.cli.run import window_of
from event_platform.cli.totals import figures_table
from event_platform.compute.executor import open_executor
from event_platform.environment import Environment
from event_platform.events.catalog import Catalog, load_catalog
from event_platform.events.mending.opening import require_runnable
from event_platform.events.mending.outcome import MendedExample
from event_platform.events.personal import mask_text, personal_fields
from event_platform.events.wording import counted
from event_platform.pipeline.context import PipelineContext
from event_platform.pipeline.loading.mend_trial import MendTrial, try_mending
from event_platform.pipeline.loading.mending import due_mending
from event_platform.pipeline.loading.objects import ObjectSource
from event_platform.pipeline.opening import open_lake, open_landing
from event_platform.quality.text import shown

#: Number of example records, characters of each, and of these, characters before the first difference.
_EXAMPLES, _LENGTH, _BEFORE = 10, 100, 30


def dry_run(environment: Environment, first: date | None, last: date | None, progress: Listener) -> MendTrial:
    """Report what `mend` would change, without writing anything."""
    window, catalog = window_of(environment, first, last), load_catalog(environment.catalog)
    require_runnable(catalog.mending)
    progress.begin("looking for records to mend")
    lake = open_lake(environment.lake)
    due = [day for day in due_mending(lake, catalog.mending) if window[0] <= day <= window[1]]
    landing = open_landing(environment.landing, environment.landing_timezone)
    source = ObjectSource(landing, catalog.envelope, environment.start_date, mending=catalog.mending)
    with open_executor(environment.compute) as executor:
        context = PipelineContext(lake, executor, progress)
        progress.begin("reading objects")
        return try_mending(context, source, due, _EXAMPLES)


def print_trial(trial: MendTrial, environment: Environment, *, as_json: bool) -> None:
    """Print the outcome of mending, with examples."""
    for warning in [*trial.outcome.warnings, *trial.read_errors[:_EXAMPLES]]:
        print_warning(warning)
    examples = _examples(trial.outcome.spread_examples(), load_catalog(environment.catalog))
    if as_json:
        print(json.dumps({**_as_json(trial), "examples": examples}))  # noqa: T201 - rich would wrap it
    else:
        print_parts(_render(trial, examples))


def _as_json(trial: MendTrial) -> dict[str, Any]:
    outcome = trial.outcome
    return {
        "days": [day.isoformat() for day in trial.days],
        "objects": trial.objects,
        "given": dict(sorted(outcome.letter_counts.items())),
        "functions": outcome.as_json(),
        "stay": dict(sorted(outcome.unmended_counts.items())),
        "put_back": trial.restored_records,
        "unread": trial.read_errors,
    }


def _render(trial: MendTrial, examples: Collection[dict[str, str]]) -> Iterator[RenderableType]:
    if not trial.days:
        yield "nothing to mend: every day was loaded with the functions that the catalog has"
        return
    table = figures_table("reason", "function", "sound", "still corrupt", "errors", title="What mend would do")
    for row in trial.outcome.as_json():
        counts = (f"{row[name]:,}" for name in ("sound", "still_corrupt", "errors"))
        table.add_row(row["reason"], row["function"], *counts)
    yield table
    for example in examples:
        yield f"{example['reason']}, {example['function']}:\n  - {example['before']}\n  + {example['after']}"
    outcome = trial.outcome
    for label, count in trial.restored_records.items():
        yield f"{counted(count, 'record')} mended by {label}, which the catalog lacks, would be as they landed"
    records, objects, days = (
        outcome.letter_counts.total(),
        counted(trial.objects, "object"),
        counted(len(trial.days), "day"),
    )
    yield (
        f"{counted(records, 'record')} of {objects} on {days}: {outcome.sound_counts.total():,} would be sound, "
        f"{outcome.unmended_counts.total():,} stay as they are. Nothing was written; event-platform mend does it"
    )


def _examples(examples: Collection[MendedExample], catalog: Catalog) -> list[dict[str, str]]:
    personal = {field for event_type in catalog.event_types for field in personal_fields(event_type.columns)}
    rows = []
    for example in examples:
        texts = (
            mask_text(personal, example.before.decode("utf-8", "backslashreplace")),
            mask_text(personal, example.after),
        )
        start = max(_first_difference(*texts) - _BEFORE, 0)
        before, after = (f"{'…' if start else ''}{shown(text[start:], _LENGTH)}" for text in texts)
        rows.append({"reason": example.reason, "function": example.label, "before": before, "after": after})
    return rows


def _first_difference(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))

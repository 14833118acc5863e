"""`event-platform init`: sample landing, and write an envelope that fits, with the evidence."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import click
import polars as pl
import yaml

from event_platform.cli.output import OUT, print_warning, visible
from event_platform.cli.progress import show_progress
from event_platform.environment import SAMPLE_CATALOG, Environment
from event_platform.events.catalog import ENVELOPE_FILE
from event_platform.events.envelope import Envelope, TimeUnit
from event_platform.events.envelope_file import to_document
from event_platform.events.errors import CatalogError
from event_platform.events.moments import to_microseconds
from event_platform.events.proposing.fields import Field
from event_platform.events.proposing.ids import IdFields
from event_platform.events.proposing.names import NameFields
from event_platform.events.proposing.proposal import Proposal, SampledText, count_equal, propose
from event_platform.events.proposing.times import TimeField
from event_platform.events.wording import counted
from event_platform.events.wrappers import open_reader
from event_platform.landing.dates import date_in
from event_platform.landing.omissions import Omissions
from event_platform.landing.sampling import SampledObject, sample
from event_platform.pipeline.opening import open_landing

#: Created more than this before the first arrival, an event does not decide about the first partition.
_EARLY = timedelta(days=400)

#: Seconds of an hour, and hours within which objects usually land.
_HOUR, _PROMPT = 3600, 1.5

#: Other choices that are named.
_OTHERS = 2

#: Event name for a stream of one type whose landing has no folder to name it after.
_EVENT = "event"

Choice = TypeVar("Choice", IdFields, NameFields, TimeField)


@dataclass(frozen=True)
class _EnvelopeKey:
    """A key of the envelope: its value, and the reasons for it."""

    key: str
    value: Any
    reasons: Sequence[str]


def init(environment: Environment, *, answer: Callable[[str, Sequence[str]], int], force: bool) -> Path:
    """Propose an envelope, print the evidence, write the file, and return the folder of the catalog.

    `answer` chooses between equally good candidates. Settings missing from the environment are written to `.env`.
    Raises CatalogError if nothing has landed or no envelope fits.
    """
    folder = Path("catalog") if environment.catalog == SAMPLE_CATALOG else environment.catalog
    target = folder / ENVELOPE_FILE
    if os.path.lexists(target) and not force:
        raise CatalogError(f"{target}: exists; --force replaces it")
    sampled = _read(environment)
    proposal = propose([SampledText(item.landed_object.arrival_date, item.data) for item in sampled])
    _require_usable(environment.landing, proposal, sampled)
    envelope, parts = _choose(proposal, answer, _constant(environment.landing))
    parts = [*parts[:-1], replace(parts[-1], reasons=[*parts[-1].reasons, *_describe_path_hours(sampled, envelope)])]
    first = _first_date(proposal, sampled)
    heading = _heading(proposal, sampled)
    _print(heading, parts, first)
    folder.mkdir(parents=True, exist_ok=True)
    target.write_text(_as_yaml(heading, parts, first), encoding="utf-8")
    OUT.print(f"{target} written", soft_wrap=True)
    _write_settings(environment, folder, first)
    return folder


def _read(environment: Environment) -> list[SampledObject]:
    uri, omissions = environment.landing, Omissions()
    landing = open_landing(uri, environment.landing_timezone)
    with show_progress("objects") as listen:
        sampled: list[SampledObject] = []
        for item in sample(landing, omissions):
            sampled.append(item)
            listen("sample", len(sampled), None)
    unread = [f"{item.landed_object.name}: {item.fault}" for item in sampled if item.fault]
    for fault in [*map(str, omissions.faults.values()), *unread]:
        print_warning(fault)
    if not sampled:
        raise CatalogError(f"{uri}: nothing has landed yet; expected objects of JSON records")
    return sampled


def _require_usable(uri: str, proposal: Proposal, sampled: Sequence[SampledObject]) -> None:
    if not proposal.count:
        faults = [item.fault for item in sampled if item.fault]
        raise CatalogError(
            f"{uri}: no record of {counted(len(sampled), 'object')} is a JSON object"
            + (f": {faults[0]}" if faults else "")
        )
    if not proposal.usable_times:
        fault = next((f"{time.field.name}: {time.fault}" for time in proposal.times), "")
        raise CatalogError(
            f"{uri}: of {proposal.count:,} records, no field holds a time in nine of ten. "
            + (f"{fault}. " if fault else "")
            + f"Write {ENVELOPE_FILE} by hand: created_at: {{field: …, unit: {' | '.join(TimeUnit)}}} or "
            "{field: …, format: …}"
        )


def _choose(
    proposal: Proposal, answer: Callable[[str, Sequence[str]], int], constant: str
) -> tuple[Envelope, list[_EnvelopeKey]]:
    time, time_others = _pick("created_at", proposal.usable_times, answer, lambda time: time.field.name)
    uuid, uuid_others = _pick("event_uuid", proposal.ids, answer, lambda identifier: identifier.name)
    name, name_others = _pick("event_name", proposal.names, answer, lambda name: name.name)
    envelope = proposal.envelope(uuid, name, time, constant)
    reasons = {
        "records": [f"Records are within the objects; {proposal.count:,} were found in the sample."],
        "context": ["Fields around the records that are added to each of them."],
        "event_uuid": [*_describe_id(uuid), *uuid_others],
        "event_name": [*_describe_name(name, constant), *name_others],
        "created_at": [*_describe_time(time), *time_others],
    }
    return envelope, [_EnvelopeKey(key, value, reasons[key]) for key, value in to_document(envelope).items()]


def _pick(
    key: str, choices: Sequence[Choice], answer: Callable[[str, Sequence[str]], int], shown: Callable[[Choice], str]
) -> tuple[Choice, list[str]]:
    """Return a choice, and a line about the others."""
    number = count_equal(choices)
    chosen = choices[answer(key, [shown(choice) for choice in choices[:number]]) if number > 1 else 0]
    others = [shown(choice) for choice in choices if choice is not chosen][:_OTHERS]
    return chosen, [f"Else: {'; '.join(others)}."] if others else []


def _describe_id(uuid: IdFields) -> Iterator[str]:
    if not uuid.fields:
        yield "No field, and no two fields, tell each record from every other: the hash of its text does."
    elif len(uuid.fields) == 1:
        (field,) = uuid.fields
        examples = _examples(field, masked=True)
        yield f"{field.name}: {_in_records(field)}, distinct in {uuid.distinct_share:.2%}: {examples}."
    else:
        alone = ", ".join(f"{field.name} in {field.distinct_share:.2%}" for field in uuid.fields)
        yield f"Together distinct in {uuid.distinct_share:.2%} of the records; alone, {alone}."


def _describe_name(name: NameFields, constant: str) -> Iterator[str]:
    if not name.fields:
        yield f"No field names what happened: all events are {constant!r}."
        return
    yield f"{counted(name.names, 'name')}."
    for field in name.fields:
        yield f"{field.name}: {_in_records(field)}: {_examples(field, masked=False)}."


def _describe_time(time: TimeField) -> Iterator[str]:
    yield f"{time.field.name}: {_in_records(time.field)}: {_examples(time.field, masked=False)}."
    yield f"From {min(time.moments):%Y-%m-%d %H:%M:%S} to {max(time.moments):%Y-%m-%d %H:%M:%S} UTC."


def _describe_path_hours(sampled: Sequence[SampledObject], envelope: Envelope) -> Iterator[str]:
    """Say how far the hours of paths are from the last event of each object, which shows their time zone."""
    reader = open_reader(envelope)
    hours = []
    for item in sampled:
        dated = date_in(item.landed_object.name)
        last = to_microseconds(reader.read(item.data)["created_at"], envelope).cast(pl.Float64).fill_nan(None).max()
        if dated is not None and dated.hour is not None and isinstance(last, float):
            end = datetime(dated.day.year, dated.day.month, dated.day.day, dated.hour, tzinfo=UTC).timestamp() + _HOUR
            hours.append((end - last / 1e6) / _HOUR)
    if not hours:
        return
    middle = median(hours)
    side = "before" if middle >= 0 else "after"
    yield f"In the median, the last event of an object is {abs(middle):.1f} hours {side} the hour of its path ends."
    if not 0 <= middle <= _PROMPT:
        yield "If that is a time zone and no delay, name it in EVENT_PLATFORM_LANDING_TIMEZONE."


def _in_records(field: Field) -> str:
    return f"in {field.coverage:.1%} of the records"


def _examples(field: Field, *, masked: bool) -> str:
    return ", ".join(field.examples(masked=masked))


def _constant(uri: str) -> str:
    name = uri.rstrip("/").rpartition("/")[2]
    return name if name and name not in {"landing", "data", "."} and name.isprintable() else _EVENT


def _first_date(proposal: Proposal, sampled: Sequence[SampledObject]) -> date:
    """Return the first day of creation in the sample, without outliers far from every arrival."""
    arrivals = [item.landed_object.arrival_date for item in sampled]
    earliest = datetime.combine(min(arrivals), datetime.min.time(), UTC) - _EARLY
    return min(moment for moment in [*proposal.usable_times[0].moments, datetime.now(UTC)] if moment >= earliest).date()


def _heading(proposal: Proposal, sampled: Sequence[SampledObject]) -> str:
    days = sorted({item.landed_object.arrival_date for item in sampled})
    span = f"{days[0]}" if len(days) == 1 else f"{days[0]} to {days[-1]}"
    unread = f"; {proposal.unread:,} more are no JSON objects" if proposal.unread else ""
    return f"{counted(proposal.count, 'record')} of {counted(len(sampled), 'object')} that arrived on {span}{unread}"


def _print(heading: str, parts: Sequence[_EnvelopeKey], first: date) -> None:
    OUT.print(f"Looked at {heading}.", soft_wrap=True)
    for part in parts:
        OUT.print(f"\n{part.key}: {_flow(part.value)}", style="bold", soft_wrap=True)
        for reason in part.reasons:
            OUT.print(f"  {reason}", soft_wrap=True)
    OUT.print(f"\nThe first partition is {first}.\n", soft_wrap=True)


def _flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _as_yaml(heading: str, parts: Sequence[_EnvelopeKey], first: date) -> str:
    lines = [
        f"# Proposed by `event-platform init` on {datetime.now(UTC):%Y-%m-%d}, from {heading}.",
        f"# The first partition (EVENT_PLATFORM_START_DATE) is {first}.",
    ]
    for part in parts:
        lines += ["", *(f"# {visible(reason)}" for reason in part.reasons), f"{part.key}: {_flow(part.value)}"]
    return "\n".join(lines) + "\n"


def _write_settings(environment: Environment, folder: Path, first: date) -> None:
    """Write to `.env` the required settings that are not set."""
    required: Mapping[str, str] = {
        "EVENT_PLATFORM_LANDING": environment.landing,
        "EVENT_PLATFORM_CATALOG": str(folder),
        "EVENT_PLATFORM_START_DATE": first.isoformat(),
    }
    lines = [f"{variable}={value}" for variable, value in required.items() if not os.environ.get(variable)]
    if not lines:
        return
    path = Path(".env")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    break_before = "\n" if text and not text.endswith("\n") else ""
    joined = "\n".join(lines)
    path.write_text(f"{text}{break_before}{joined}\n", encoding="utf-8")
    OUT.print(f".env: {', '.join(lines)}", soft_wrap=True)


def located(environment: Environment, landing: str | None) -> Environment:
    """Return the environment with another landing, if one is given."""
    return replace(environment, landing=landing) if landing else environment


def ask(key: str, choices: Sequence[str]) -> int:
    """Ask the user to choose between equally good candidates."""
    for number, choice in enumerate(choices, start=1):
        OUT.print(f"  {number}  {choice}", soft_wrap=True)
    with suppress(click.Abort):
        return int(click.prompt(f"{key}: which one", type=click.IntRange(1, len(choices)), default=1)) - 1
    raise CatalogError(f"{key}: {' and '.join(choices)} fit equally well; choose one, or take the first with --yes")

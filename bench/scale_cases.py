"""The cases of `bench.scale`: each generates its input, runs commands in their own processes, and checks the result."""

import gzip
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import scale_fields
from bench.commands import Commands, FailedError, module
from bench.live_places import bucket_place
from bench.rows import variables
from bench.scale_inputs import FIRST, Shape, write_catalog, write_landing
from bench.scale_window import WINDOW_DAYS, truth
from event_platform.environment import SAMPLE_CATALOG

#: Event types of the sample.
SAMPLE_TYPES = 100
_MINUTES_OF_A_DAY = 1_440
_UNSCALED = ("objects_types", "partitions_types")
#: Of each request to the bucket, as S3 takes in its own region.
_LATENCY_SECONDS = 0.03
#: Commands that only read.
_READING = (["status"], ["query", "select count(*) from deduplicated_events"], ["doctor"])


@dataclass(frozen=True)
class Scale:
    """Sizes of the cases. Where a case has several sizes, the cost of one more unit is reported too."""

    sizes: tuple[int, ...] = (100_000, 1_000_000, 5_000_000, 24_000_000)  # events of a day
    small: int = 1_000  # events
    objects: tuple[int, ...] = (1_000, 5_000, 10_000)
    objects_types: int = 100
    objects_events: int = 440_000
    types: tuple[int, ...] = (100, 500, 1_000)
    types_events: int = 500_000
    names: tuple[int, ...] = (10_000, 20_000, 40_000, 100_000)  # event names that the catalog lacks
    names_events: int = 100_000
    damaged: tuple[int, ...] = (10_000, 20_000, 40_000)  # pieces that are no JSON
    damaged_events: int = 100_000
    partitions_days: tuple[int, ...] = (10, 100, 400)
    partitions_types: int = 10
    partitions_events: int = 400_000
    window: tuple[int, ...] = (2_400_000, 24_000_000)  # records of each day
    fields: tuple[int, ...] = (500, 1_000, 2_000, 4_000)  # of an object
    keys: tuple[int, ...] = (1_500, 6_000, 24_000)  # of an object, which are data
    increment: int = 24_000_000  # events of the day, the last hour of which comes later
    bucket: int = 50_000  # events of the day, whose last object comes later

    def times(self, factor: float) -> "Scale":
        """Return a copy with every number multiplied, but at least 1. The types that all rows have stay."""
        return Scale(
            **{name: value if name in _UNSCALED else _times(value, factor) for name, value in asdict(self).items()}
        )


def _times(value: Any, factor: float) -> Any:
    return tuple(_times(each, factor) for each in value) if isinstance(value, tuple) else max(1, round(value * factor))


@dataclass(frozen=True)
class Row:
    """A measurement. `count` is the size within a case, in `unit`s; `cost` is that of `bench.measured_command`."""

    case: str
    size: str
    events: int
    count: int
    unit: str
    cost: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """The cost of a job, and the totals after it."""

    cost: Mapping[str, Any]
    ledger: Mapping[str, Any]


@dataclass(frozen=True)
class Workshop:
    """The working folder of the cases. Samples are shared by them."""

    folder: Path

    @property
    def lake(self) -> Path:
        """The lake of the case."""
        return self.folder / "lake"

    def commands(self, landing: Path, catalog: Path = SAMPLE_CATALOG) -> Commands:
        """Return what runs commands on a landing zone and the lake."""
        return Commands(self.folder, variables(landing, catalog, self.lake))

    def sample(self, events: int) -> tuple[Path, dict[str, Any]]:
        """Return a landing zone with a day of so many events of the sample, and the truth about it."""
        landing = self.folder / f"sample-{events}" / "landing"
        if not landing.exists():
            command = module("event_platform", "generate", "--events", f"{events}", "--days", "1", "--from", f"{FIRST}")
            self.commands(landing).run("generate", command)
        known: dict[str, Any] = json.loads((landing.parent / "ground_truth.json").read_text(encoding="utf-8"))
        return landing, known

    def job(self, landing: Path, known: Mapping[str, Any], catalog: Path = SAMPLE_CATALOG) -> Outcome:
        """Run the whole job on the current lake, and compare its totals with those that are known.

        Raises FailedError if it does not, or if its totals do not balance.
        """
        commands = self.commands(landing, catalog)
        cost = commands.measured("run", module("event_platform", "run", "--warn-only"))
        ledger = json.loads(commands.run("status", module("event_platform", "status", "--json")))
        expect(ledger, known)
        return Outcome(cost, ledger)

    def job_on(self, shape: Shape) -> Outcome:
        """Do the same in a new lake on a stream of this shape, with a catalog of its own."""
        folder = self.folder / "stream"
        write_catalog(folder / "catalog", shape.types if shape.registered is None else shape.registered)
        write_landing(folder / "landing", shape)
        self.clear()
        outcome = self.job(folder / "landing", shape.truth(), folder / "catalog")
        shutil.rmtree(folder)
        return outcome

    def clear(self) -> None:
        """Remove the lake."""
        shutil.rmtree(self.lake, ignore_errors=True)


def expect(found: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Compare the figures that both have. Raises FailedError naming the differences."""
    wrong = [
        f"{name} is {found[name]}, not {known[name]}" for name in found if found[name] != known.get(name, found[name])
    ]
    if wrong:
        raise FailedError("; ".join(wrong))


def sizes(shop: Workshop, scale: Scale) -> Iterator[Row]:
    """Measure the whole job on days of more and more events."""
    for events in scale.sizes:
        shop.clear()
        outcome = shop.job(*shop.sample(events))
        yield Row("sizes", f"a day of {events:,} events", events, events, "event", outcome.cost)


def small(shop: Workshop, scale: Scale) -> Iterator[Row]:
    """Measure the whole job on very few events, and Dagster alone with as many assets and checks."""
    shop.clear()
    landing, known = shop.sample(scale.small)
    yield Row("small", "the whole job", scale.small, scale.small, "event", shop.job(landing, known).cost)
    commands = shop.commands(landing)
    cost = commands.measured("dagster", module("bench.dagster_alone", f"{SAMPLE_TYPES}"))
    made, checked = json.loads(commands.last_line("dagster"))
    size = f"Dagster alone: {made} materializations, {checked} checks"
    yield Row("small", size, 0, made + checked, "result", cost)


def objects(shop: Workshop, scale: Scale) -> Iterator[Row]:
    """Measure the whole job on the same events in more and more objects."""
    for count in scale.objects:
        outcome = shop.job_on(Shape(scale.objects_events, scale.objects_types, objects=count))
        yield Row("objects", f"{count:,} objects", scale.objects_events, count, "object", outcome.cost)


def types(shop: Workshop, scale: Scale) -> Iterator[Row]:
    """Measure the whole job on as many events of more and more types."""
    for count in scale.types:
        outcome = shop.job_on(Shape(scale.types_events, count))
        yield Row("types", f"{count:,} event types", scale.types_events, count, "type", outcome.cost)


def names(shop: Workshop, scale: Scale) -> Iterator[Row]:
    """Measure the whole job on as many events of more and more names, of which the catalog has one."""
    for count in scale.names:
        outcome = shop.job_on(Shape(scale.names_events, count, registered=1))
        yield Row("names", f"{count:,} event names", scale.names_events, count, "name", outcome.cost)


def damaged(shop: Workshop, scale: Scale) -> Iterator[Row]:
    """Measure the whole job on one object without delimiters, with more and more damaged pieces beside its events."""
    for count in scale.damaged:
        outcome = shop.job_on(Shape(scale.damaged_events, 10, objects=1, damaged=count))
        yield Row("damaged", f"{count:,} damaged pieces", scale.damaged_events, count, "piece", outcome.cost)


def partitions(shop: Workshop, scale: Scale) -> Iterator[Row]:
    """Measure the whole job on as many events of more and more days."""
    for days in scale.partitions_days:
        count = days * scale.partitions_types
        outcome = shop.job_on(Shape(scale.partitions_events, scale.partitions_types, days, objects=1))
        size = f"{days:,} days of {scale.partitions_types:,} types"
        yield Row("partitions", size, scale.partitions_events, count, "partition", outcome.cost)


def window(shop: Workshop, scale: Scale) -> Iterator[Row]:
    """Measure the search for duplicates of a day where the days of the window before it have as many records each."""
    for keys in scale.window:
        shop.clear()
        commands, lake = shop.commands(shop.folder), f"{shop.lake}"
        commands.run("fill", module("bench.scale_window", "fill", lake, f"{keys}"))
        cost = commands.measured("judge", module("bench.scale_window", "judge", lake))
        expect(json.loads(commands.last_line("judge")), truth(keys))
        before = keys * WINDOW_DAYS
        yield Row("window", f"deduplicate {keys:,} after {before:,}", keys, before, "key before", cost)


def increment(shop: Workshop, scale: Scale) -> Iterator[Row]:
    """Measure the whole job on a day without its last hour, on that hour, on a minute of it, and on nothing new."""
    shop.clear()
    landing, known = shop.sample(scale.increment)
    hour, aside = landing / f"{FIRST:%Y/%m/%d}/23", landing.parent / "last-hour"
    largest = max(hour.iterdir(), key=lambda path: path.stat().st_size)
    minute, whole = largest.with_name("minute.gz"), largest.read_bytes()
    lines = gzip.decompress(whole).splitlines(keepends=True)
    cut = max(1, scale.increment // _MINUTES_OF_A_DAY)
    hour.rename(aside)
    try:
        first = shop.job(landing, {})
    finally:
        aside.rename(hour)
    yield _increment("a day without its last hour", first, 0)
    try:
        largest.write_bytes(gzip.compress(b"".join(lines[cut:])))
        second = shop.job(landing, {})
        yield _increment("the hour without a minute", second, first.ledger["deduplicated"])
        minute.write_bytes(gzip.compress(b"".join(lines[:cut])))
        third = shop.job(landing, known)
        yield _increment("the minute", third, second.ledger["deduplicated"])
        yield _increment("nothing new", shop.job(landing, known), third.ledger["deduplicated"])
    finally:
        minute.unlink(missing_ok=True)
        largest.write_bytes(whole)


def _increment(size: str, outcome: Outcome, before: int) -> Row:
    came = outcome.ledger["deduplicated"] - before
    return Row("increment", size, came, came or 1, "event" if came else "run", outcome.cost)


def bucket(shop: Workshop, scale: Scale) -> Iterator[Row]:
    """Measure commands on a lake in a bucket where each request takes its time; `requests` is part of their cost."""
    landing, known = shop.sample(scale.bucket)
    objects = {path.relative_to(landing).as_posix(): path.read_bytes() for path in sorted(landing.rglob("*.gz"))}
    with bucket_place(shop.folder / "bucket", _LATENCY_SECONDS) as place:
        commands = Commands(shop.folder, place.measured_variables)

        def row(size: str, *command: str) -> Row:
            place.requests()
            cost = commands.measured("bucket", module("event_platform", *command))
            return Row("bucket", size, 0, 1, "command", {**cost, "requests": sum(place.requests().values())})

        last, data = objects.popitem()
        for name, earlier in objects.items():
            place.put(name, earlier)
        yield row("the first load", "run", "--warn-only")
        place.put(last, data)
        yield row("one object more", "run", "--warn-only")
        yield row("nothing new", "run", "--warn-only")
        for command in _READING:
            yield row(command[0], *command)
        expect(json.loads(commands.run("status", module("event_platform", "status", "--json"))), known)


def fields(shop: Workshop, scale: Scale) -> Iterator[Row]:
    """Measure what it takes to draft, type, write and check events of which each has an object of many fields."""
    yield from _wide(shop, "fields", scale.fields)


def keys(shop: Workshop, scale: Scale) -> Iterator[Row]:
    """Measure the same where the keys of the object are data, such as the identifiers of users."""
    yield from _wide(shop, "keys", scale.keys)


def _wide(shop: Workshop, kind: str, counts: tuple[int, ...]) -> Iterator[Row]:
    for count in counts:
        shop.clear()
        commands = shop.commands(shop.folder)
        cost = commands.measured(kind, module("bench.scale_fields", kind, f"{count}", f"{shop.lake}"))
        expect(json.loads(commands.last_line(kind)), scale_fields.truth(kind))
        yield Row(kind, f"an object of {count:,} {kind}", scale_fields.EVENTS, count, kind.removesuffix("s"), cost)


CASES: dict[str, Callable[[Workshop, Scale], Iterator[Row]]] = {
    case.__name__: case
    for case in (sizes, small, objects, types, names, damaged, fields, keys, partitions, window, increment, bucket)
}

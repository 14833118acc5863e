"""A hook of mkdocs: fill the reference pages from the code. A page says where, with `<!-- generated: <name> -->`.

What belongs here: one function for each part of a page that code knows already. Prose belongs in the pages.
"""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from inspect import cleandoc
from typing import Any

import click
import dagster as dg

from event_platform.cli.main import main
from event_platform.defs.alerts.causes import CAUSES
from event_platform.defs.checks.build import build_checks
from event_platform.defs.partitions import daily_partitions
from event_platform.defs.resources.platform import RulesResource
from event_platform.environment import Environment
from event_platform.events.catalog import Catalog, EventType
from event_platform.events.columns import Column, Kind
from event_platform.events.envelope import Envelope
from event_platform.events.event import CorruptionReason
from event_platform.lake.lake import Lake
from event_platform.lake.schemas import to_delta, type_name
from event_platform.lake.tables import Table
from event_platform.storage.storage import Storage

_MARKER = re.compile(r"<!-- generated: (\w+) -->")
_WIDTH = 100

#: An event type of one column: what its table and its checks look like holds for every type of a catalog.
_ANY_TYPE = EventType("<name>", "<key>", (Column("<property>", "<property>", Kind.STRING),))

#: Setting → default of the environment `local`, value elsewhere, meaning.
_SETTINGS = {
    "EVENT_PLATFORM_ENV": ("`local`", "`dev`, `staging`, `prod`", "The environment. Any other name is an error."),
    "EVENT_PLATFORM_LANDING": ("`./data/landing`", "required", "Where objects land: a folder or `s3://bucket/prefix`."),
    "EVENT_PLATFORM_LAKE": ("`./data/lake`", "required", "Where the tables are: a folder or `s3://bucket/prefix`."),
    "EVENT_PLATFORM_CATALOG": ("the sample catalog", "required", "Folder of JSON Schemas and `envelope.yaml`."),
    "EVENT_PLATFORM_START_DATE": ("`2025-01-01`", "required", "First partition. Never set it later."),
    "EVENT_PLATFORM_ALERT_URLS": ("none", "none", "Apprise URLs that receive alerts, separated by blanks."),
    "EVENT_PLATFORM_UI_URL": (f"`{Environment.ui_url}`", "the same", "Address of the UI, for links in alerts."),
    "EVENT_PLATFORM_DAYS_PER_RUN": ("all", "all", "Days that one run of a backfill takes."),
    "EVENT_PLATFORM_COMPUTE": ("`local`", "`local`", "`local` (one process a core), or `tcp://host:port` of Dask."),
    "EVENT_PLATFORM_LANDING_QUEUE": ("none", "none", "URL of the SQS queue that S3 notifies of landed objects."),
    "EVENT_PLATFORM_GLUE_DATABASE": ("none", "none", "Database of the Glue Data Catalog to register tables in."),
}


#: A reason without a meaning fails `make docs`.
_REASONS = {
    CorruptionReason.RECORD_TOO_LARGE: "The record is larger than 10 MiB, the most that Kinesis accepts.",
    CorruptionReason.NOT_UTF8: "The bytes are not UTF-8.",
    CorruptionReason.NOT_JSON: "The text is not JSON. Strict: no `NaN`, no trailing comma.",
    CorruptionReason.NOT_AN_OBJECT: "It is JSON, but an array, a string, a number, a boolean or null.",
    CorruptionReason.MISSING_EVENT_UUID: "The uuid is absent, empty, not a text, or longer than 256 characters.",
    CorruptionReason.MISSING_EVENT_NAME: "The name is absent, null or empty.",
    CorruptionReason.INVALID_EVENT_NAME: "The name is not a text, is longer than 256 characters, or one of its parts "
    "(between `:`) does not begin with a letter, digit or `_`, or holds more than these, `.`, `-` and spaces.",
    CorruptionReason.MISSING_CREATED_AT: "The time of creation is absent or null.",
    CorruptionReason.INVALID_CREATED_AT: "The time of creation is not in the unit that the envelope names.",
    CorruptionReason.CREATED_AT_OUT_OF_RANGE: "Created before the first partition, or more than a day after arrival.",
    CorruptionReason.UNREADABLE_OBJECT: "The object breaks off, or unpacks to more than 2 GiB. What is before "
    "the break is loaded.",
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace every marker of a page. Raises KeyError for a name that nothing generates."""
    return _MARKER.sub(lambda marker: GENERATED[marker[1]](), markdown)


def commands() -> str:
    """Return the help of every command, as the terminal shows it."""
    return "\n\n".join(
        f"## {name}\n\n```text\n{command.get_help(_context(command, name))}\n```" for name, command in _commands(main)
    )


def settings() -> str:
    """Return the table of settings."""
    rows = ([f"`{name}`", *each] for name, each in _SETTINGS.items())
    return _table(["variable", "local", "dev, staging, prod", "meaning"], rows)


def tables() -> str:
    """Return every table with its columns. A lake is only named here, none is opened."""
    return "\n\n".join(map(_described, Lake(Storage("lake")).tables([_ANY_TYPE])))


def checks() -> str:
    """Return the asset checks."""
    rows = (
        [f"`{spec.asset_key.to_user_string()}`", f"`{spec.name}`", "yes" if spec.blocking else "", _line(spec)]
        for spec in _check_specs()
    )
    return _table(["asset", "check", "blocking", "passes if"], rows)


def causes() -> str:
    """Return the likely causes that alerts name."""
    return _table(["alert", "likely cause, and what to do"], ([f"`{name}`", why] for name, why in CAUSES.items()))


def rules() -> str:
    """Return the configuration of the resource `rules`."""
    rows = ([f"`{name}`", f"`{f.default}`", f.description or ""] for name, f in RulesResource.model_fields.items())
    return _table(["field", "default", "meaning"], rows)


def corruption_reasons() -> str:
    """Return every corruption reason with its meaning, in the order in which they apply."""
    return _table(["reason", "meaning"], ([f"`{reason}`", _REASONS[reason]] for reason in CorruptionReason))


def _described(table: Table) -> str:
    delta = to_delta(table.schema, table.comments)
    comments = {field.name: (field.metadata or {}).get("comment", "") for field in delta.fields}
    rows = (
        [f"`{f.name}`", f"`{type_name(f.type)}`", "" if f.name in table.filled else "yes", str(comments[f.name])]
        for f in delta.fields
    )
    key = ", ".join(f"`{name}`" for name in table.key)
    return (
        f"## `{table.name}`\n\n{table.description or 'The typed events of one type of the catalog.'}\n\n"
        f"Partition: `{table.partition_column}`. Primary key: {key}.\n\n"
        + _table(["column", "type", "nullable", "meaning"], rows)
    )


def _check_specs() -> Iterator[dg.AssetCheckSpec]:
    partitions = daily_partitions(date(2025, 1, 1))
    with warnings.catch_warnings(action="ignore", category=dg.PreviewWarning):
        for definition in build_checks(Catalog(Envelope(), (_ANY_CHECKED,)), partitions):
            yield from definition.check_specs


#: Dagster takes no `<` in the key of an asset.
_ANY_CHECKED = EventType("key", "key", ())


def _line(spec: dg.AssetCheckSpec) -> str:
    return cleandoc(spec.description or "").partition("\n\n")[0].replace("\n", " ")


def _commands(group: click.Group, above: str = "event-platform") -> Iterator[tuple[str, click.Command]]:
    yield above, group
    for name, command in group.commands.items():
        path = f"{above} {name}"
        if isinstance(command, click.Group):
            yield from _commands(command, path)
        else:
            yield path, command


def _context(command: click.Command, name: str) -> click.Context:
    return click.Context(command, info_name=name, terminal_width=_WIDTH)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


GENERATED: dict[str, Callable[[], str]] = {
    each.__name__: each for each in (commands, settings, tables, checks, causes, rules, corruption_reasons)
}

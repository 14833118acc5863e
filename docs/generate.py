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

from event_platform.checks.faults import Fault
from event_platform.cli.main import main
from event_platform.defs.alerts.causes import CAUSES
from event_platform.defs.checks import distinct_share
from event_platform.defs.checks.build import build_checks
from event_platform.defs.partitions import daily_partitions
from event_platform.defs.resources.platform import RulesResource
from event_platform.events.catalog import Catalog, EventType
from event_platform.events.columns import Column, Kind
from event_platform.events.corruption import CorruptionReason
from event_platform.events.envelope import Envelope
from event_platform.lake.registry import FILTERED_EVENTS, PLATFORM_TABLES, event_table_spec
from event_platform.lake.schemas import to_delta, type_name
from event_platform.lake.specs import TableSpec
from event_platform.landing.formats import FORMATS
from event_platform.metrics.gauges import Gauge
from event_platform.settings_table import settings_table

_MARKER = re.compile(r"<!-- generated: (\w+) -->")
_WIDTH = 100

#: An event type of one column: what its table and its checks look like holds for every type of a catalog.
_ANY_TYPE = EventType("<name>", "<key>", (Column("<property>", "<property>", Kind.STRING),))


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
    rows = ([f"`{row.name}`", row.type, row.default, row.default_elsewhere, row.meaning] for row in settings_table())
    return _table(["variable", "value", "local", "dev, staging, prod", "meaning"], rows)


def tables() -> str:
    """Return every table with its columns."""
    return "\n\n".join(map(_described, [*PLATFORM_TABLES, event_table_spec(_ANY_TYPE), FILTERED_EVENTS]))


def checks() -> str:
    """Return the asset checks."""
    rows = (
        [f"`{spec.asset_key.to_user_string()}`", f"`{spec.name}`", "yes" if spec.blocking else "", _line(spec)]
        for spec in _check_specs()
    )
    return _table(["asset", "check", "blocking", "passes if"], rows)


def faults() -> str:
    """Return the kinds of failure that checks find."""
    rows = ([f"`{fault}`", fault.cause, fault.remedy] for fault in Fault)
    return _table(["fault", "likely cause", "what to do"], rows)


def causes() -> str:
    """Return the likely causes of what fails beside checks."""
    return _table(["alert", "likely cause, and what to do"], ([f"`{name}`", why] for name, why in CAUSES.items()))


def rules() -> str:
    """Return the configuration of the resource `rules`."""
    rows = ([f"`{name}`", f"`{f.default}`", f.description or ""] for name, f in RulesResource.model_fields.items())
    return _table(["field", "default", "meaning"], rows)


def metrics() -> str:
    """Return the metrics that `event-platform metrics` exposes."""
    rows = (
        [f"`{each.name}`", ", ".join(f"`{label}`" for label in each.labels), each.meaning]
        for each in (gauge.value for gauge in Gauge)
    )
    return _table(["metric", "labels", "meaning"], rows)


def corruption_reasons() -> str:
    """Return every corruption reason with its meaning, in the order in which they apply."""
    return _table(["reason", "meaning"], ([f"`{reason}`", reason.meaning] for reason in CorruptionReason))


def formats() -> str:
    """Return the formats that objects land in, in the order in which they are tried."""
    head = ["format", "told by its beginning", "what is read", "of a damaged one"]
    rows = (
        [each.name, each.signature, each.reads or f"Nothing: {each.remedy}", each.damage_result] for each in FORMATS
    )
    return _table(head, rows)


def _described(table: TableSpec) -> str:
    types = {field.name: type_name(field.type) for field in to_delta(table.schema, table.comments).fields}
    rows = (
        [f"`{column.name}`", f"`{types[column.name]}`", "yes" if column.nullable else "", column.comment]
        for column in table.columns
    )
    key = ", ".join(f"`{name}`" for name in table.primary_key)
    return (
        f"## `{table.name}`\n\n{table.description or 'The typed events of one type of the catalog.'}\n\n"
        f"Partition: `{table.partition_column}`. Primary key: {key}.\n\n"
        + _table(["column", "type", "nullable", "meaning"], rows)
    )


def _check_specs() -> Iterator[dg.AssetCheckSpec]:
    partitions = daily_partitions(date(2025, 1, 1))
    with warnings.catch_warnings(action="ignore", category=dg.PreviewWarning):
        for definition in build_checks(Catalog(Envelope(), (_ANY_CHECKED,)), partitions, published=True):
            yield from definition.check_specs
        yield distinct_share.build_spec(partitions)


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
    each.__name__: each
    for each in (commands, settings, tables, checks, faults, causes, rules, metrics, corruption_reasons, formats)
}

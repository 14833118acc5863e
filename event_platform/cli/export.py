"""`event-platform export`: write the files with which other tools read the lake, and print the changes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from event_platform.cli.output import ERR, OUT
from event_platform.environment import Environment
from event_platform.events.catalog import Catalog, load_catalog
from event_platform.events.evolution.catalogs import read_catalog_files
from event_platform.events.wording import counted
from event_platform.exporting import dbt, odcs
from event_platform.exporting.files import ChangedFile, changed_files, marked_files
from event_platform.exporting.json_schema import bundle_text
from event_platform.exporting.reading import LakeDescription, describe_lake
from event_platform.exporting.relations import Relation
from event_platform.exporting.views import placeholders, refusals, require_readable, views_sql
from event_platform.exporting.warehouses import WAREHOUSES
from event_platform.exporting.warehouses.base import Warehouse, values_of
from event_platform.pipeline.opening import open_lake
from event_platform.publishing.iceberg import CatalogKind
from event_platform.publishing.iceberg.setting import read_setting


@dataclass(frozen=True)
class _Export:
    """A warehouse, and the tables to export as views."""

    warehouse: Warehouse
    catalog: Catalog
    relations: list[Relation]
    omissions: dict[str, str]
    faults: dict[str, str]  # the tables among `omissions` that need the user's attention


def export_views(environment: Environment, name: str, folder: Path, values: Mapping[str, str], *, check: bool) -> int:
    """Write the views for a warehouse to `<folder>/<warehouse>.sql`; return the exit code."""
    export = _prepare(environment, name, values)
    text = views_sql(export.warehouse, export.relations, export.omissions)
    return _finish(export, changed_files(folder, {f"{name}.sql": text}), check=check)


def export_dbt(environment: Environment, name: str, folder: Path, values: Mapping[str, str], *, check: bool) -> int:
    """Write a dbt project over the views of a warehouse to a folder; return the exit code."""
    export = _prepare(environment, name, values)
    files = dbt.dbt_files(export.warehouse, export.relations, export.catalog.event_types, environment.report_url)
    return _finish(export, changed_files(folder, files, marked_files(folder, dbt.OWNED_FILES, dbt.MARKER)), check=check)


def export_contracts(environment: Environment, folder: Path, *, check: bool) -> int:
    """Write a data contract of each event type to a folder; return the exit code."""
    files = read_catalog_files(environment.catalog)
    contracts = odcs.contract_files(files, environment.lake, environment.report_url)
    changes = changed_files(folder, contracts, marked_files(folder, odcs.OWNED_FILES, odcs.MARKER))
    return _finish_catalog(len(contracts), changes, check=check)


def export_json_schema(environment: Environment, file: Path, *, check: bool) -> int:
    """Write the catalog as one JSON Schema to a file; return the exit code."""
    files = read_catalog_files(environment.catalog)
    changes = changed_files(file.parent, {file.name: bundle_text(files)})
    return _finish_catalog(len(files.catalog.event_types), changes, check=check)


def _prepare(environment: Environment, name: str, values: Mapping[str, str]) -> _Export:
    defaults = {"lake": _address(environment.lake), "glue_database": environment.glue_database, **_iceberg(environment)}
    warehouse = WAREHOUSES[name](values_of(WAREHOUSES[name], defaults, values))
    require_readable(warehouse, environment.lake)
    catalog = load_catalog(environment.catalog)
    description: LakeDescription = describe_lake(open_lake(environment.lake), catalog.event_types)
    faults = description.faults | refusals(warehouse, description.relations)
    relations = [relation for relation in description.relations if relation.table not in faults]
    return _Export(warehouse, catalog, relations, description.unwritten_tables | faults, faults)


def _iceberg(environment: Environment) -> dict[str, str]:
    """Return the Glue database and table prefix of the Iceberg tables; empty if they are not published in Glue."""
    setting = environment.iceberg and read_setting(environment.iceberg, environment.glue_database)
    if not setting or setting.kind is not CatalogKind.GLUE:
        return {}
    return {
        "iceberg_database": setting.namespace,
        "table_prefix": setting.table_prefix(environment.glue_database),
    }


def _address(lake: str) -> str:
    return lake if "://" in lake else str(Path(lake).resolve())


def _finish(export: _Export, files: Iterable[ChangedFile], *, check: bool) -> int:
    """Write the files, or show the differences; return the exit code."""
    state = _write(changes := list(files), check=check)
    _warn(export)
    count, omissions = counted(len(export.relations), "table"), len(export.omissions)
    _print_lines([f"{export.warehouse.dialect.name}: {count}, {omissions} left out; {state}"])
    return 1 if export.faults or (check and changes) else 0


def _finish_catalog(types: int, changes: Sequence[ChangedFile], *, check: bool) -> int:
    """Write the files of a catalog, or show the differences; return the exit code."""
    state = _write(changes, check=check)
    _print_lines([f"{counted(types, 'event type')}; {state}"])
    return 1 if check and changes else 0


def _write(changes: Sequence[ChangedFile], *, check: bool) -> str:
    """Write the files, or show the differences; return how many there are, in words."""
    for file in changes:
        if check:
            _print_lines(file.diff())
        else:
            file.write()
            _print_lines([f"{file.change}: {file.path}"])
    return f"{counted(len(changes), 'file')} {'would change' if check else 'written'}"


def _warn(export: _Export) -> None:
    for table, reason in export.omissions.items():
        style = "red" if table in export.faults else "yellow"
        ERR.print(f"{table}: left out: {reason}", style=style, soft_wrap=True, highlight=False, markup=False)
    if names := placeholders(export.warehouse):
        missing = " ".join(f"--set {name}=…" for name in names)
        ERR.print(f"to run the statements, give {missing}", style="yellow", soft_wrap=True, highlight=False)


def _print_lines(lines: Iterable[str]) -> None:
    """Print lines as they are."""
    for line in lines:
        OUT.print(line, soft_wrap=True, highlight=False, markup=False)

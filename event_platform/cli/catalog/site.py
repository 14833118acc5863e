"""`event-platform catalog site`: the tracking plan as static pages."""

from os.path import relpath
from pathlib import Path

from event_platform.cli.output import ERR, OUT
from event_platform.environment import Environment
from event_platform.events.evolution.catalogs import read_catalog_files
from event_platform.events.wording import counted
from event_platform.exporting.files import changed_files, marked_files
from event_platform.lake.names import PAGES_FOLDER
from event_platform.pipeline.opening import open_lake
from event_platform.pipeline.tracking_plan import plan_of, read_lake
from event_platform.quality.plan import INDEX, MARKER, TYPES, draw_plan


def write_site(environment: Environment, catalog: Path, folder: Path) -> int:
    """Write the pages of a catalog to a folder; return 1 if a table could not be read, else 0."""
    files = read_catalog_files(catalog)
    figures = read_lake(open_lake(environment.lake), files.catalog)
    pages = draw_plan(plan_of(files, figures, _report(environment, folder)))
    texts = {name: page.decode() for name, page in pages.items()}
    files_to_write = changed_files(folder, texts, marked_files(folder, f"{TYPES}/*.html", MARKER))
    for each in files_to_write:
        each.write()
    for table, reason in figures.errors.items():
        ERR.print(f"{table}: left out: {reason}", style="red", soft_wrap=True)
    types, size = counted(len(files.catalog.event_types), "event type"), sum(map(len, pages.values()))
    OUT.print(
        f"{folder / INDEX}: {types}, {size:,} bytes; {counted(len(files_to_write), 'file')} written", soft_wrap=True
    )
    if figures.last_day is None:
        ERR.print(f"{environment.lake}: no quality report: the pages have no volumes", style="yellow", soft_wrap=True)
    return 1 if figures.errors else 0


def _report(environment: Environment, folder: Path) -> str:
    """Return the address of the quality report's pages of types, as seen from a page of a type; empty in a bucket."""
    if environment.report_url:
        return f"{environment.report_url}/types"
    if "://" in environment.lake:
        return ""
    return Path(relpath(Path(environment.lake, PAGES_FOLDER, "quality", "types"), folder / TYPES)).as_posix()

"""The files of a catalog with accepted differences: edited, with new versions, and checked before they are written."""

import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from event_platform.cli.catalog.check import load_with_faults
from event_platform.cli.catalog.listing import CHARACTERS
from event_platform.cli.catalog.schema_files import SchemaFiles
from event_platform.cli.catalog.schema_text import edit_text, new_text
from event_platform.events.catalog import key_of, load_catalog
from event_platform.events.differences.proposal import Edit, Operation, Proposal, apply_edits
from event_platform.events.errors import CatalogError
from event_platform.events.evolution.catalogs import CatalogFiles, compare_catalogs, read_catalog_files
from event_platform.events.evolution.change import Impact
from event_platform.events.mending.files import MEND_FOLDER
from event_platform.events.schema_version import SchemaVersion, version_of
from event_platform.lake.catalog_clashes import find_table_clashes
from event_platform.lake.lake import Lake
from event_platform.quality.text import shown

_FIRST_CHANGE = "drafted from what arrived"
_NOTHING_WRITTEN = "no schema is written; to accept the differences of other types, give their names"


@dataclass(frozen=True)
class EditedSchema:
    """A schema with edits: its file, and its text before (None for a new schema) and after."""

    event_type: str
    path: Path
    before: str | None
    after: str
    version: SchemaVersion


def edit_schemas(folder: Path, files: CatalogFiles, proposals: Sequence[Proposal]) -> list[EditedSchema]:
    """Return the schemas with their edits, and with their new versions."""
    edits: dict[str, list[Edit]] = defaultdict(list)
    for each in proposals:
        edits[each.event_type] += each.edits
    schema_files = SchemaFiles(folder)
    paths = {
        name: folder / files.files[name] if name in files.files else schema_files.unused_path(key_of(name))
        for name in edits
    }
    drafts = [_edit(name, paths[name], edits[name], SchemaVersion()) for name in edits]
    changes = _changes(folder, files, drafts)
    schemas = []
    for name, schema_edits in edits.items():
        is_new = name not in files.documents
        impact, description = changes.get(name, (Impact.COMPATIBLE, _descriptions(proposals, name)))
        version = SchemaVersion() if is_new else version_of(files.documents[name]).after(impact)
        entry = {
            "version": str(version),
            "date": datetime.now(UTC).date().isoformat(),
            "change": _FIRST_CHANGE if is_new else description,
        }
        version_edits = [Edit(("x-version",), str(version)), Edit(("x-changes",), entry, Operation.APPEND)]
        schemas.append(_edit(name, paths[name], [*schema_edits, *version_edits], version))
    return schemas


def _descriptions(proposals: Sequence[Proposal], name: str) -> str:
    return "; ".join(shown(f"{each.path}: {each.after}", CHARACTERS) for each in proposals if each.event_type == name)


def _edit(name: str, path: Path, edits: Sequence[Edit], version: SchemaVersion) -> EditedSchema:
    if edits[0].pointer == ():
        document = dict(edits[0].value)
        apply_edits(document, edits[1:])
        return EditedSchema(name, path, None, new_text(document, path.suffix), version)
    before = _text(path)
    if before is None:
        raise CatalogError(f"{path}: was deleted during this command; no schema is written. Run it again")
    try:
        return EditedSchema(name, path, before, edit_text(before, path.suffix, edits), version)
    except CatalogError as error:
        raise CatalogError(f"{path}: {error}: {_NOTHING_WRITTEN}") from error


def _changes(folder: Path, files: CatalogFiles, schemas: Sequence[EditedSchema]) -> dict[str, tuple[Impact, str]]:
    """Return the class and the description of the changes of each schema, as `diff --against` prints them."""
    changes_by_type: dict[str, list[tuple[Impact, str]]] = defaultdict(list)
    with _copy(folder, schemas) as copy:
        for each in compare_catalogs(files, read_catalog_files(copy)):
            sides = f"{each.path or 'event type'}: {each.before or 'absent'} → {each.after or 'absent'}"
            changes_by_type[each.event_type].append((each.impact, shown(sides, CHARACTERS)))
    order = list(Impact)
    return {
        name: (max((impact for impact, _ in changes), key=order.index), "; ".join(text for _, text in changes))
        for name, changes in changes_by_type.items()
    }


@contextmanager
def _copy(folder: Path, schemas: Sequence[EditedSchema]) -> Iterator[Path]:
    """Yield a copy of a catalog with edited schemas. Errors of the catalog name its own folder."""
    with TemporaryDirectory() as copy:
        (Path(copy) / MEND_FOLDER).mkdir()
        for path in [*folder.iterdir(), *(folder / MEND_FOLDER).glob("*.py")]:
            if path.is_file():  # schemas and envelope, and the tables and functions that they name
                with suppress(FileNotFoundError):  # temporary files of editors
                    shutil.copyfile(path, Path(copy) / path.relative_to(folder))
        for each in schemas:
            (Path(copy) / each.path.name).write_text(each.after, encoding="utf-8", newline="")
        try:
            yield Path(copy)
        except CatalogError as error:
            raise CatalogError(f"{error}\n{_NOTHING_WRITTEN}".replace(copy, str(folder))) from error


def require_sound(lake: Lake, folder: Path, schemas: Sequence[EditedSchema]) -> None:
    """Raise CatalogError if the edits add a fault to the catalog, or make the next run fail."""
    names = {each.event_type for each in schemas}
    with _copy(folder, schemas) as copy:
        types, faults = load_with_faults(copy)
        edited_types = [each for each in types if each.name in names]
        earlier_clashes = find_table_clashes(
            lake, [each for each in load_catalog(folder).event_types if each.name in names]
        )
        clashes = [
            each for each in find_table_clashes(lake, edited_types) if each.fails and each not in earlier_clashes
        ]
        faults = [*faults, *(f"{each.table}.{each.column}: the table has {each.stored}" for each in clashes)]
        if faults:
            raise CatalogError("\n".join([*faults, _NOTHING_WRITTEN]))


def write_schemas(schemas: Sequence[EditedSchema]) -> None:
    """Write all schemas. Raises CatalogError, and writes none, if a file has changed since it was read."""
    for each in schemas:
        if _text(each.path) != each.before:
            raise CatalogError(f"{each.path}: was changed during this command; no schema is written. Run it again")
    for each in schemas:
        _write(each.path, each.after)


def _text(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    """Replace the content of a file atomically; keep its permissions."""
    target = path.resolve()
    part = target.with_name(f".{target.name}.part")
    part.write_text(text, encoding="utf-8", newline="")
    if target.exists():
        part.chmod(target.stat().st_mode)
    part.replace(target)

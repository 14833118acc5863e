"""The files of a catalog with accepted differences: edited, versioned, and loaded before anything is written."""

import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from event_platform.cli.catalog.check import load_checked
from event_platform.cli.catalog.listing import CHARACTERS
from event_platform.cli.catalog.schema_files import SchemaFiles
from event_platform.cli.catalog.schema_text import edit_text, new_text
from event_platform.events.catalog import key_of, load_catalog
from event_platform.events.differences.proposal import Edit, How, Proposal, apply_edits
from event_platform.events.errors import CatalogError
from event_platform.events.evolution.catalogs import CatalogFiles, compare_catalogs, read_catalog_files
from event_platform.events.evolution.change import Impact
from event_platform.events.mending.files import MEND_FOLDER
from event_platform.events.schema_version import SchemaVersion, version_of
from event_platform.lake.catalog_clashes import find_table_clashes
from event_platform.lake.lake import Lake
from event_platform.quality.text import shown

_FIRST = "drafted from what arrived"
_NOTHING = "nothing is written; the differences of other types are accepted by their names"


@dataclass(frozen=True)
class EditedSchema:
    """A schema with edits: its file, and its text before (None for a new one) and after."""

    event_type: str
    path: Path
    before: str | None
    after: str
    version: SchemaVersion


def edit_schemas(folder: Path, files: CatalogFiles, accepted: Sequence[Proposal]) -> list[EditedSchema]:
    """Return the schemas with their edits, and with their new versions."""
    edits: dict[str, list[Edit]] = defaultdict(list)
    for each in accepted:
        edits[each.event_type] += each.edits
    taken = SchemaFiles(folder)
    paths = {
        name: folder / files.files[name] if name in files.files else taken.free_for(key_of(name)) for name in edits
    }
    drafts = [_edited(name, paths[name], edits[name], SchemaVersion()) for name in edits]
    changes = _changes(folder, files, drafts)
    versioned = []
    for name, wanted in edits.items():
        is_new = name not in files.documents
        impact, described = changes.get(name, (Impact.COMPATIBLE, _descriptions(accepted, name)))
        version = SchemaVersion() if is_new else version_of(files.documents[name]).after(impact)
        entry = {
            "version": str(version),
            "date": datetime.now(UTC).date().isoformat(),
            "change": _FIRST if is_new else described,
        }
        noted = [Edit(("x-version",), str(version)), Edit(("x-changes",), entry, How.APPEND)]
        versioned.append(_edited(name, paths[name], [*wanted, *noted], version))
    return versioned


def _descriptions(accepted: Sequence[Proposal], name: str) -> str:
    return "; ".join(shown(f"{each.path}: {each.after}", CHARACTERS) for each in accepted if each.event_type == name)


def _edited(name: str, path: Path, edits: Sequence[Edit], version: SchemaVersion) -> EditedSchema:
    if edits[0].pointer == ():
        document = dict(edits[0].value)
        apply_edits(document, edits[1:])
        return EditedSchema(name, path, None, new_text(document, path.suffix), version)
    before = _text(path)
    if before is None:
        raise CatalogError(f"{path}: gone meanwhile; nothing is written: run again")
    try:
        return EditedSchema(name, path, before, edit_text(before, path.suffix, edits), version)
    except CatalogError as error:
        raise CatalogError(f"{path}: {error}: {_NOTHING}") from error


def _changes(folder: Path, files: CatalogFiles, edited: Sequence[EditedSchema]) -> dict[str, tuple[Impact, str]]:
    """Return the class and the description of the changes of each schema, as `diff --against` has them."""
    found: dict[str, list[tuple[Impact, str]]] = defaultdict(list)
    with _copy(folder, edited) as copy:
        for each in compare_catalogs(files, read_catalog_files(copy)):
            sides = f"{each.path or 'event type'}: {each.before or 'absent'} → {each.after or 'absent'}"
            found[each.event_type].append((each.impact, shown(sides, CHARACTERS)))
    order = list(Impact)
    return {
        name: (max((impact for impact, _ in changes), key=order.index), "; ".join(text for _, text in changes))
        for name, changes in found.items()
    }


@contextmanager
def _copy(folder: Path, edited: Sequence[EditedSchema]) -> Iterator[Path]:
    """Yield a copy of a catalog with edited schemas. Errors of the catalog name its own folder."""
    with TemporaryDirectory() as copy:
        (Path(copy) / MEND_FOLDER).mkdir()
        for path in [*folder.iterdir(), *(folder / MEND_FOLDER).glob("*.py")]:
            if path.is_file():  # schemas and envelope, and the tables and functions that they name
                with suppress(FileNotFoundError):  # an editor keeps some for a moment
                    shutil.copyfile(path, Path(copy) / path.relative_to(folder))
        for each in edited:
            (Path(copy) / each.path.name).write_text(each.after, encoding="utf-8", newline="")
        try:
            yield Path(copy)
        except CatalogError as error:
            raise CatalogError(f"{error}\n{_NOTHING}".replace(copy, str(folder))) from error


def require_sound(lake: Lake, folder: Path, edited: Sequence[EditedSchema]) -> None:
    """Raise CatalogError if the edited catalog has a fault, or if a run with it would fail where it did not before."""
    names = {each.event_type for each in edited}
    with _copy(folder, edited) as copy:
        types, faults = load_checked(copy)
        changed = [each for each in types if each.name in names]
        before = find_table_clashes(lake, [each for each in load_catalog(folder).event_types if each.name in names])
        clashes = [each for each in find_table_clashes(lake, changed) if each.fails and each not in before]
        faults = [*faults, *(f"{each.table}.{each.column}: the table has {each.stored}" for each in clashes)]
        if faults:
            raise CatalogError("\n".join([*faults, _NOTHING]))


def write_schemas(edited: Sequence[EditedSchema]) -> None:
    """Write schemas. Raises CatalogError, and writes none, if a file is not as it was before the edits."""
    for each in edited:
        if _text(each.path) != each.before:
            raise CatalogError(f"{each.path}: changed meanwhile; nothing is written: run again")
    for each in edited:
        _write(each.path, each.after)


def _text(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all, with the permissions that it has."""
    target = path.resolve()
    part = target.with_name(f".{target.name}.part")
    part.write_text(text, encoding="utf-8", newline="")
    if target.exists():
        part.chmod(target.stat().st_mode)
    part.replace(target)

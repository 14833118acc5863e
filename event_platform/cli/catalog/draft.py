"""`event-platform catalog draft`: write schemas from landing."""

import os
import shutil
from datetime import date
from io import BytesIO
from pathlib import Path

from event_platform.cli.catalog.schema_files import SchemaFiles
from event_platform.cli.catalog.schema_text import new_text
from event_platform.cli.output import ERR, OUT, print_warning
from event_platform.cli.progress import show_progress
from event_platform.environment import Environment
from event_platform.events.catalog import ENVELOPE_FILE, key_of, load_catalog
from event_platform.events.documents import MAX_BYTES
from event_platform.events.draft import Draft
from event_platform.events.envelope_file import load_envelope
from event_platform.events.errors import CatalogError, UnreadableError
from event_platform.events.names import describe_names_like_ids, require_draftable_names
from event_platform.events.read_counts import ReadCounts, explain
from event_platform.events.wording import counted
from event_platform.events.wrappers import open_reader
from event_platform.landing.omissions import Omissions
from event_platform.pipeline.loading.objects import ObjectSource, read_records
from event_platform.pipeline.opening import open_landing

_FIRST_DATE = date(1970, 1, 1)


def draft_catalog(environment: Environment, folder: Path, envelope_file: Path | None, *, force: bool) -> int:
    """Write a schema for each event name in landing; return the exit code.

    Existing files are kept; with `force`, the schemas of these events and the envelope are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if envelope_file is not None:
        _copy_envelope(envelope_file, folder / ENVELOPE_FILE, force=force)
    envelope = load_envelope(folder / ENVELOPE_FILE)
    draft, counts = Draft(envelope), ReadCounts(envelope)
    objects = _read(environment, draft, counts)
    if doubt := counts.doubt_of_units():
        raise CatalogError(doubt)
    schemas = draft.schemas()
    if not schemas:
        _print_read_counts(counts, objects)
        raise CatalogError(
            f"{environment.landing}: no record is sound by {folder / ENVELOPE_FILE}: name there the fields of your "
            "stream, or let event-platform init find them"
        )
    files = SchemaFiles(folder)
    names = {key_of(name).lower(): name for name in files.by_title}
    written_count, omissions = 0, []
    for name, schema in schemas.items():
        key = key_of(name)
        first_name = names.setdefault(key.lower(), name)
        if first_name != name:
            omissions.append(f"{name}: has the same table as {first_name} ({key}); left out")
            continue
        path = files.by_title.get(name)
        if path is not None and not force:
            continue
        path = path or files.unused_path(key)
        text = new_text(schema, path.suffix)
        if len(text.encode()) > MAX_BYTES:
            omissions.append(f"{name}: its schema is larger than {MAX_BYTES:,} bytes; left out")
            continue
        path.write_text(text, encoding="utf-8")
        written_count += 1
    kept_count = len(schemas) - written_count - len(omissions)
    OUT.print(f"{counted(written_count, 'schema')} written to {folder}, {kept_count} kept as they were", soft_wrap=True)
    _print_read_counts(counts, objects)
    for line in [*omissions, *draft.notes()]:
        ERR.print(line, soft_wrap=True)
    if ids := describe_names_like_ids(schemas):
        ERR.print(f"{ids}: see event_name in {folder / ENVELOPE_FILE}", soft_wrap=True)
    load_catalog(folder)
    return 1 if omissions or not counts.is_mostly_sound else 0


def _print_read_counts(counts: ReadCounts, objects: int) -> None:
    """Print the number of sound records, the corrupt ones by reason with an example, and doubts about the ids."""
    reasons = [
        (f"  {reason}", count, explain(reason, counts.envelope), text) for reason, count, text in counts.ranked()
    ]
    rows = [("read", counts.records, f"in {counted(objects, 'object')}", ""), ("sound", counts.sound, "", ""), *reasons]
    width, digits = max(len(label) for label, *_ in rows), len(f"{counts.records:,}")
    for label, records, meaning, example in rows:
        share = f"{records / max(1, counts.records):.1%}"
        OUT.print(f"{label:{width}}  {records:{digits},}  {share:>6}  {meaning}".rstrip(), soft_wrap=True)
        if example:
            OUT.print(f"    {example}", soft_wrap=True)
    print_warning(counts.doubt_of_ids())


def _copy_envelope(source: Path, target: Path, *, force: bool) -> None:
    envelope = load_envelope(source)
    if os.path.lexists(target):
        if source.resolve() == target.resolve() or load_envelope(target) == envelope:
            return
        if not force:
            raise CatalogError(f"{target}: differs from {source}; --force replaces it")
    shutil.copyfile(source, target)


def _read(environment: Environment, draft: Draft, counts: ReadCounts) -> int:
    """Read all of landing. Return how many objects there are."""
    landing = open_landing(environment.landing, environment.landing_timezone)
    omissions = Omissions()
    objects = sorted(landing.list_objects(omissions=omissions), key=lambda each: each.name)
    for fault in omissions.faults.values():
        print_warning(str(fault))
    source, reader = ObjectSource(landing, draft.envelope, _FIRST_DATE), open_reader(draft.envelope)
    with show_progress("objects") as listen:
        for number, landed_object in enumerate(objects, start=1):
            try:
                content = landing.read(landed_object.name)
            except UnreadableError as error:
                if not landing.is_deleted(landed_object.name):
                    raise
                print_warning(str(error))
                continue
            for rows, _ in read_records(source, reader, landed_object, BytesIO(content)):
                counts.add(rows)
                sound = rows.filter(rows["corruption_reason"].is_null())
                draft.add(sound["event_name"].to_list(), sound["body"].to_list())
                require_draftable_names(draft.shapes, draft.envelope)
            listen("read", number, len(objects))
    return len(objects)

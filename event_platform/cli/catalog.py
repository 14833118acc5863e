"""`event-platform catalog draft` and `catalog check`."""

import shutil
from datetime import date
from io import BytesIO
from pathlib import Path

import yaml

from event_platform.cli.output import ERR, OUT, progress_bars
from event_platform.environment import Environment
from event_platform.events.catalog import ENVELOPE_FILE, key_of, load_catalog
from event_platform.events.classification import classify
from event_platform.events.draft import Draft
from event_platform.events.envelope import load_envelope
from event_platform.events.errors import CatalogError
from event_platform.events.reader import EnvelopeReader
from event_platform.lake.objects import pieces
from event_platform.lake.pieces import DEFAULT_LIMITS
from event_platform.provision import open_landing

_FIRST_DATE = date(1970, 1, 1)


def draft_catalog(environment: Environment, folder: Path, envelope_file: Path | None, *, force: bool) -> int:
    """Write a schema for each event name in landing; return the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    if envelope_file is not None and envelope_file.resolve() != (folder / ENVELOPE_FILE).resolve():
        load_envelope(envelope_file)
        shutil.copyfile(envelope_file, folder / ENVELOPE_FILE)
    draft = _read(environment, Draft(load_envelope(folder / ENVELOPE_FILE)))
    schemas = draft.schemas()
    if not schemas:
        raise CatalogError(
            f"{environment.landing}: no record has an event_uuid, event_name and created_at where "
            f"{folder / ENVELOPE_FILE} says; write there which fields hold them"
        )
    keys: dict[str, str] = {}
    written = 0
    clashes = []
    for name, schema in schemas.items():
        key = key_of(name)
        if key.lower() in keys:
            clashes.append(f"{name}: has the same table as {keys[key.lower()]} ({key}); left out")
            continue
        keys[key.lower()] = name
        path = folder / f"{key}.yaml"
        if force or not path.exists():
            text = yaml.safe_dump(schema, sort_keys=False, allow_unicode=True, width=110)
            path.write_text(text, encoding="utf-8")
            written += 1
    OUT.print(f"{written} schemas written to {folder}, {len(keys) - written} kept as they were", soft_wrap=True)
    for clash in clashes:
        ERR.print(clash, soft_wrap=True)
    load_catalog(folder)
    return 1 if clashes else 0


def check_catalog(folder: Path) -> int:
    """Print the catalog's faults, or what is in it; return the exit code."""
    try:
        catalog = load_catalog(folder)
    except CatalogError as error:
        for line in str(error).splitlines():
            ERR.print(line, soft_wrap=True, highlight=False, markup=False)
        return 1
    columns = sum(len(event_type.schema) for event_type in catalog.event_types)
    OUT.print(f"{folder}: {len(catalog.event_types)} event types, {columns:,} columns, no fault", soft_wrap=True)
    return 0


def _read(environment: Environment, draft: Draft) -> Draft:
    opened = open_landing(environment.landing)
    objects = sorted(opened.list_objects(), key=lambda each: each.name)
    reader = EnvelopeReader(draft.envelope)
    with progress_bars("objects") as listen:
        for number, landed in enumerate(objects, start=1):
            for piece in pieces(landed.name, BytesIO(opened.read(landed.name)), DEFAULT_LIMITS):
                rows = classify(reader.read(piece.data), draft.envelope.unit, landed.arrival_date, _FIRST_DATE)
                sound = rows.filter(rows["corruption_reason"].is_null())
                draft.add(sound["event_name"].to_list(), sound["body"].to_list())
            listen("read", number, len(objects))
    return draft

"""The files of the schemas in the folder of a catalog."""

from itertools import chain, count
from pathlib import Path

from event_platform.events.catalog import ENVELOPE_FILE, schema_files
from event_platform.events.documents import DocumentError, read_document


class SchemaFiles:
    """The files in the folder of a catalog, which a draft must not overwrite."""

    def __init__(self, folder: Path) -> None:
        """List the files."""
        self._folder = folder
        #: The existing schemas by the name of their event.
        self.by_title = {title: path for path in schema_files(folder) if (title := _title_of(path))}
        # In lower case: not every file system distinguishes case.
        self._names = {ENVELOPE_FILE, *(path.name.lower() for path in folder.iterdir())}

    def unused_path(self, key: str) -> Path:
        """Return the path for a new schema: `<key>.yaml`, or with a number if that file exists."""
        names = chain([f"{key}.yaml"], (f"{key}-{number}.yaml" for number in count(2)))
        name = next(name for name in names if name.lower() not in self._names)
        self._names.add(name.lower())
        return self._folder / name


def _title_of(path: Path) -> str | None:
    """Return the event name of a schema; None if the file cannot be read, which `catalog check` reports."""
    try:
        document = read_document(path)
    except DocumentError:
        return None
    title = document.get("title") if isinstance(document, dict) else None
    return title if isinstance(title, str) else None

"""The folder DAGSTER_HOME, as far as it can be judged without Dagster."""

import os
from pathlib import Path

import yaml

from event_platform.defs.instance.dagster_yaml import EXAMPLE, read_dagster_yaml, replacements
from event_platform.events.errors import SettingError
from event_platform.storage.folder import FolderStore
from event_platform.storage.store import ChangedError

#: What is kept in SQLite, by the file below DAGSTER_HOME: by Dagster's own classes, and by those of this project.
KEPT = {
    "history/runs.db": "the list of past runs",
    "schedules/schedules.db": "past ticks, cursors, and which sensors and schedules were switched on or off",
    "history/runs/index.db": "the events of past runs",
    "event_log.db": "the events of past runs",
}

WRITABLE = "let the user of this process read and write the folder and all that is in it"


class RecordsError(SettingError):
    """Dagster's records cannot be opened."""

    def __init__(self, problem: str, remedy: str) -> None:
        """State the problem and the remedy."""
        super().__init__(f"{problem}; {remedy}")
        self.problem, self.remedy = problem, remedy


def check_home(home: str) -> Path:
    """Return the folder that DAGSTER_HOME names.

    Raises RecordsError if it is missing or not writable, or if its dagster.yaml names modules that have moved.
    """
    folder = Path(home).expanduser()
    if not folder.is_absolute() or not folder.is_dir():
        remedy = "set it to the absolute path of a folder that exists, or unset it: runs then leave no record"
        raise RecordsError(f"DAGSTER_HOME: {home}: no folder", remedy)
    if locked := _not_writable(folder):
        raise RecordsError(f"DAGSTER_HOME: {locked}: cannot be written", WRITABLE)
    try:
        replaced = replacements(read_dagster_yaml(home))
    except (OSError, yaml.YAMLError):
        replaced = None  # Dagster says what is wrong with the file
    if replaced:
        raise RecordsError(f"DAGSTER_HOME: {folder / 'dagster.yaml'} names modules that have moved", replaced)
    return folder


def supply_dagster_yaml(home: str) -> bool:
    """Write the platform's dagster.yaml to a DAGSTER_HOME without visible files; return whether it was written.

    With Dagster's own storages, an event of a run costs nine times the CPU. Raises RecordsError as `check_home` does.
    """
    folder = check_home(home)
    if not os.access(folder, os.W_OK) or any(not path.name.startswith(".") for path in folder.iterdir()):
        return False
    try:
        FolderStore(folder).create("dagster.yaml", EXAMPLE.read_bytes())
    except ChangedError:  # another process has written it meanwhile
        return False
    return True


def _not_writable(folder: Path) -> Path | None:
    """Return an existing SQLite database that is not writable, though it may open; None if there is none."""
    databases = [path for name in KEPT if (path := folder / name).is_file()]
    return next(
        (path for path in databases if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))), None
    )

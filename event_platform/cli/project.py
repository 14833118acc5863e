"""The project that a command is started in: its `pyproject.toml` names definitions that merge the platform's.

Dagster is imported only to load them.
"""

import importlib
import logging
import sys
import tomllib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg


def find_project(folder: Path) -> str | None:
    """Return the module that `[tool.dg.project]` in a folder's pyproject.toml names, which is how Dagster finds it too.

    None where there is no such project, or only the platform itself.
    """
    path = folder / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("dg", {}) if path.is_file() else {}
    settings = project.get("project", {})
    root = settings.get("root_module")
    if root is None or root == "event_platform":
        return None
    return str(settings.get("code_location_target_module", f"{root}.definitions"))


def load_project(folder: Path) -> "dg.Definitions | None":
    """Return the definitions of the project in a folder; None where there is none, or one without the platform's."""
    from event_platform.defs.assets.raw_events import RAW_EVENTS  # noqa: PLC0415

    name = find_project(folder)
    if name is None:
        return None
    sys.path.insert(0, str(folder))
    with _without_warnings():
        module = importlib.import_module(name)
        definitions: dg.Definitions = module.defs() if callable(module.defs) else module.defs
    return definitions if RAW_EVENTS in definitions.resolve_asset_graph().get_all_asset_keys() else None


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Leave it to the code location to say what dagster.yaml lacks, and that Dagster calls a parameter beta."""
    from dagster import BetaWarning  # noqa: PLC0415

    logger = logging.getLogger("event_platform")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore", category=BetaWarning):
            yield
    finally:
        logger.setLevel(level)

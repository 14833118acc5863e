"""The project that a command is started in: its `pyproject.toml` names definitions that merge the platform's."""

import importlib
import logging
import sys
import tomllib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from event_platform.defs.assets.raw_events import RAW_EVENTS


def load_project(folder: Path) -> dg.Definitions | None:
    """Return what `[tool.dg.project]` in a folder's pyproject.toml names, which is how Dagster finds it as well.

    None where there is no such project, or one without the platform's assets, or only the platform itself.
    """
    path = folder / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("dg", {}) if path.is_file() else {}
    root = project.get("project", {}).get("root_module")
    if root is None or root == "event_platform":
        return None
    sys.path.insert(0, str(folder))
    with _without_warnings():
        module = importlib.import_module(project["project"].get("code_location_target_module", f"{root}.definitions"))
        definitions: dg.Definitions = module.defs() if callable(module.defs) else module.defs
    return definitions if RAW_EVENTS in definitions.resolve_asset_graph().get_all_asset_keys() else None


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Leave it to the code location to say what dagster.yaml lacks, and that Dagster calls a parameter beta."""
    logger = logging.getLogger("event_platform")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore", category=dg.BetaWarning):
            yield
    finally:
        logger.setLevel(level)

"""The project in the working folder: its `pyproject.toml` names definitions that merge the platform's.

Dagster is imported only to load them.
"""

import importlib
import logging
import sys
import tomllib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from event_platform.checks.thresholds import DEFAULT_THRESHOLDS, Thresholds

if TYPE_CHECKING:
    import dagster as dg


#: Package of the platform, and name of its code location in workspace.yaml.
PLATFORM = "event_platform"


@dataclass(frozen=True)
class Project:
    """A project of Dagster."""

    module: str  # of the project's definitions
    location: str  # name of its code location


def find_project(folder: Path) -> Project | None:
    """Return the project in `[tool.dg.project]` of a folder's pyproject.toml, where Dagster finds it as well.

    None if there is no such project, or only the platform itself.
    """
    path = folder / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("dg", {}) if path.is_file() else {}
    settings = project.get("project", {})
    root = settings.get("root_module")
    if root is None or root == PLATFORM:
        return None
    module = settings.get("code_location_target_module", f"{root}.definitions")
    return Project(str(module), str(settings.get("code_location_name", folder.name)))


@cache
def load_project(folder: Path) -> "tuple[str, dg.Definitions] | None":
    """Return the name of the code location and the definitions of the project in a folder.

    None if there is no project, or one that does not merge the platform's definitions.
    """
    from event_platform.defs.assets.raw_events import RAW_EVENTS  # noqa: PLC0415

    project = find_project(folder)
    if project is None:
        return None
    sys.path.insert(0, str(folder))
    with _without_warnings():
        module = importlib.import_module(project.module)
        definitions: dg.Definitions = module.defs() if callable(module.defs) else module.defs
    if RAW_EVENTS not in definitions.resolve_asset_graph().get_all_asset_keys():
        return None
    return project.location, definitions


def find_thresholds(folder: Path) -> Thresholds:
    """Return the check limits in `rules` of the project in a folder, or the default limits."""
    loaded = load_project(folder) if find_project(folder) else None
    rules = (loaded[1].resources or {}).get("rules") if loaded else None
    thresholds: Thresholds = getattr(rules, "thresholds", DEFAULT_THRESHOLDS)
    return thresholds


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Suppress warnings that the code location logs already: missing dagster.yaml settings, and beta parameters."""
    from dagster import BetaWarning  # noqa: PLC0415

    logger = logging.getLogger("event_platform")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore", category=BetaWarning):
            yield
    finally:
        logger.setLevel(level)

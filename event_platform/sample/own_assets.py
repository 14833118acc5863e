"""Assets over event tables that the sample's catalog loads as examples: names and sources, without Dagster.

The assets themselves are in `defs`; commands that show due dates use these names.
"""

from datetime import date
from pathlib import Path

from event_platform.environment import SAMPLE_CATALOG
from event_platform.events.catalog import Catalog
from event_platform.lake.derived import OwnAsset, Source

DAILY_ACTIVE_LEARNERS = "daily_active_learners"

#: The event types whose users are learners.
LESSONS = ("lesson_started", "lesson_completed", "exercise_answered")


def shipped_assets(catalog: Catalog, first_date: date) -> list[OwnAsset]:
    """Return the examples: one with the sample's catalog, none with any other."""
    if Path(catalog.folder).resolve() != SAMPLE_CATALOG.resolve():
        return []
    sources = frozenset(Source(f"events/{key}") for key in LESSONS)
    return [OwnAsset(DAILY_ACTIVE_LEARNERS, sources, first_date)]

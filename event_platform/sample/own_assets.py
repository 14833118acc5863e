"""Assets of people's own that ship as examples: what their tables are made of, for who has no asset graph at hand."""

from datetime import date

import polars as pl

from event_platform.events.catalog import Catalog
from event_platform.lake.derived import OwnAsset, Source

DAILY_ACTIVE_LEARNERS = "daily_active_learners"

#: The event types whose users are learners.
LESSONS = ("lesson_started", "lesson_completed", "exercise_answered")


def shipped_assets(catalog: Catalog, first_date: date) -> list[OwnAsset]:
    """Return the examples that the catalog has the event types for, with a text `user_id`."""
    schemas = [catalog.by_key[key].schema if key in catalog.by_key else pl.Schema() for key in LESSONS]
    if any(schema.get("user_id") != pl.String for schema in schemas):
        return []
    sources = frozenset(Source(f"events/{key}") for key in LESSONS)
    return [OwnAsset(DAILY_ACTIVE_LEARNERS, sources, first_date)]

"""A lake whose catalog has what SQL, YAML and Jinja could be led astray by."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from event_platform.pipeline.own_tables import write_frame
from event_platform_tests.support.command import use
from event_platform_tests.support.world import MONDAY, World, event

#: Ends a text in SQL, begins an expression of Jinja, and a comment of each.
HOSTILE = "it's; {{ env_var('HOME') }} {% raw %} {# \\ -- /* \"q\" `"

SCHEMAS: dict[str, dict[str, Any]] = {
    "lesson_started": {
        "title": "lesson:started",
        "description": f"A lesson began.\n{HOSTILE}",
        "type": "object",
        "required": ["user", "order"],
        "properties": {
            "order": {"type": "integer", "minimum": 1, "maximum": 9, "description": HOSTILE},
            "user": {"type": "string", "description": "Who"},
            "größe": {"type": "number", "minimum": -0.00001},
            "mode": {"type": "string", "enum": ["fast", HOSTILE]},
            "hard": {"type": "boolean", "enum": [True]},
            "text": {"type": "string", "enum": ["two\nlines", "one"]},
            "device": {"type": "object", "properties": {"os": {"type": "string"}}},
            "skills": {"type": "array", "items": {"type": "string"}},
        },
    },
    "account_created": {"title": "account:created", "type": "object", "properties": {"plan": {"type": "string"}}},
    "payment_failed": {"title": "payment:failed", "type": "object", "properties": {"amount": {"type": "number"}}},
}

NEXT_WEEK = MONDAY + timedelta(days=9)


def lesson(uuid: str, **payload: Any) -> dict[str, Any]:
    """Return an event that keeps all rules, but for what is said otherwise."""
    sound = {
        "order": 3,
        "user": "u",
        "größe": 1.5,
        "mode": HOSTILE,
        "hard": True,
        "text": "two\nlines",
        "device": {"os": "x"},
        "skills": ["a"],
    }
    return event(uuid, name="lesson:started", **{**sound, **payload})


def build_world(folder: Path) -> World:
    """Build a lake: a day of two event types, a corrupt record, and somebody's own table. A third type has no table."""
    world = World(folder, schemas=SCHEMAS)
    world.deliver(
        MONDAY, "1.json", lesson("a"), lesson("b", mode="fast", skills=[None]), event("c", plan="x"), "broken"
    )
    world.load(MONDAY)
    world.deduplicate(MONDAY)
    world.type(MONDAY, keys=["lesson_started", "account_created"])
    frame = pl.LazyFrame({"created_date": [MONDAY], 'odd "name"; --': [HOSTILE]})
    write_frame(world.lake, "marts/daily.users", frame, {MONDAY})
    return world


def use_copy(patch: pytest.MonkeyPatch, world: World, folder: Path) -> World:
    """Copy a world with its catalog, and make the copy the local environment of this process."""
    shutil.copytree(world.root, folder)
    copy = World(folder, schemas=SCHEMAS)
    use(patch, copy)
    return copy


def break_every_rule(world: World) -> None:
    """Land events of which each breaks a rule of the catalog, and one whose id came before the window."""
    broken = [lesson("o", order=12), lesson("g", größe=-1.0), lesson("m", mode="odd"), lesson("h", hard=False)]
    world.deliver(MONDAY, "2.json", *broken, {key: value for key, value in lesson("u").items() if key != "user"})
    again = lesson("a") | {"created_at": event("a", NEXT_WEEK)["created_at"]}
    world.deliver(NEXT_WEEK, "3.json", again)
    world.load(MONDAY, NEXT_WEEK)
    world.deduplicate(MONDAY, NEXT_WEEK)
    world.type(MONDAY, NEXT_WEEK, keys=["lesson_started"])

"""Examples and samples on pages, without personal values."""

import html
from datetime import date
from pathlib import Path
from typing import Any

from event_platform_tests.support.world import MONDAY, World, event

_PERSONAL = {"type": "string", "x-personal": True}
_PERSON = {"type": "object", "properties": {"name": _PERSONAL, "team": {"type": "string"}}}
_FIELDS: dict[str, Any] = {
    "user": {**_PERSONAL, "pattern": "^usr_"},
    "home": {**_PERSON, "x-personal": True},
    "author": _PERSON,
    "friends": {"type": "array", "items": _PERSON},
    "level": {"type": "integer"},
}


def test_an_example_of_the_last_day_that_is_over_is_on_the_page_of_a_type(tmp_path: Path, today: date) -> None:
    """Personal values are on no page, wherever they are: in columns, objects, arrays, rescued values, and samples."""
    schema = {"title": "account:created", "properties": _FIELDS}
    world = World(tmp_path, {"account_created": schema})
    person = {"name": "secret", "team": "red"}
    fields: dict[str, Any] = {
        "user": "secret",
        "home": person,
        "author": person,
        "friends": [person],
        "level": 7,
        "extra": "secret",
    }
    world.deliver(MONDAY, "a", *(event(f"u{number}", MONDAY, **fields) for number in range(40)))
    world.deliver(today, "a", *(event(f"t{number}", today, **fields | {"level": 9}) for number in range(3)))
    world.build(MONDAY, today)
    pages = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "lake" / "reports").rglob("*.html")}
    page, masked = html.unescape(pages["account_created.html"]), "\N{BULLET}" * 3
    for shown in (f'"user": "{masked}"', f'"home": "{masked}"', f'"friends": "{masked}"', f'"_rescued": "{masked}"'):
        assert shown in page
    assert f'"author": {{"name": "{masked}", "team": "red"}}' in page
    assert '"level": 7' in page
    assert f"<code>{masked}</code>" in pages[f"{MONDAY}.html"]  # a sample of the pattern that is broken
    assert not [name for name, text in pages.items() if "secret" in text]

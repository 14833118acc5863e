"""The key and the group of an event type, made of its name."""

import hashlib
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_platform.events.catalog import key_of, load_catalog
from event_platform.events.corruption import is_name
from event_platform.lake.names import checked_name
from event_platform_tests.support.world import write_catalog


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("lesson:started", "lesson_started"),
        ("a..:b - c", "a_b_c"),
        ("_", "event_"),
        ("_x:y", "event_x_y"),
        ("_delta_log", "event_delta_log"),
        ("$pageview", "event_pageview"),
        ("Order Completed", "Order_Completed"),
        ("购买", "GouMai"),
        (":", "event_"),
        ("größe:geändert", "grosse_geandert"),
        ("a" * 200, "a" * 200),
        ("a" * 201, f"{'a' * 183}_{hashlib.sha256(b'a' * 201).hexdigest()[:16]}"),
        (f"{'a' * 100}:{'b' * 155}", f"{'a' * 100}_{'b' * 82}_"),
    ],
)
def test_the_key_of_a_name_is_a_folder_everywhere(name: str, key: str) -> None:
    """Not too long, and none that readers of tables leave out or take for their own."""
    assert key_of(name).startswith(key)
    assert len(key_of(name)) <= 200


def test_long_names_that_begin_alike_have_keys_of_their_own() -> None:
    """The same at every time."""
    keys = {key_of("a" * 255 + end) for end in "bcd"}
    assert len(keys) == 3
    assert key_of("a" * 256) == f"{'a' * 183}_02d7160d77e18c64"


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1, max_size=200).filter(is_name))
def test_every_name_that_a_record_may_have_has_a_table(name: str) -> None:
    """Whatever classification takes as sound can be in the catalog, and its table be opened by its name."""
    with TemporaryDirectory() as folder:
        (event_type,) = load_catalog(write_catalog(Path(folder), {"a": {"title": name, "type": "object"}})).event_types
    assert checked_name(f"events/{event_type.key}")
    assert len(f"{event_type.key}.yaml") <= 255


def test_the_group_of_an_event_type_is_the_first_part_of_its_name_unless_its_schema_says_another(
    tmp_path: Path,
) -> None:
    """With `_` for the characters that a group cannot have."""
    titles = {"a": "payment:order:completed", "b": "in-app:shown", "c": "ping"}
    write_catalog(tmp_path, {stem: {"title": title} for stem, title in titles.items()})
    write_catalog(tmp_path, {"d": {"title": "payment:refund", "x-group": "finance"}})
    groups = {event_type.name: event_type.group for event_type in load_catalog(tmp_path).event_types}
    assert groups == {
        "payment:order:completed": "payment",
        "in-app:shown": "in_app",
        "ping": "ping",
        "payment:refund": "finance",
    }


@pytest.mark.parametrize("name", [":started", "::", "购买:x", "?"])
def test_a_group_is_never_empty(tmp_path: Path, name: str) -> None:
    """Where the first part of a name is."""
    (event_type,) = load_catalog(write_catalog(tmp_path, {"a": {"title": name}})).event_types
    assert re.fullmatch(r"[A-Za-z0-9_]+", event_type.group)

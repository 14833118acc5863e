"""What files in catalog/mend declare, and the faults of those that cannot be used, with file and line."""

import pickle
from pathlib import Path

import pytest

from event_platform.definitions import build_definitions
from event_platform.events.catalog import load_catalog
from event_platform.events.column_definitions import parse_columns
from event_platform.events.errors import CatalogError
from event_platform.events.mending.opening import require_runnable
from event_platform.events.personal import mask_text, personal_fields
from event_platform_tests.support.mending import FUNCTIONS, write_functions
from event_platform_tests.support.world import World

HEAD = "from event_platform.events.mending import mends\n"
BODY = "\ndef f(record): return None\n"


def fault_of(world: World, text: str) -> str:
    """Return the fault of a catalog with this file, without its folder."""
    write_functions(world, text)
    with pytest.raises(CatalogError) as failure:
        require_runnable(world.catalog.mending)
    (fault,) = str(failure.value).splitlines()
    return fault.removeprefix(f"{world.root / 'catalog' / 'mend'}/")


def test_functions_are_in_the_order_of_files_and_lines(world: World) -> None:
    """And a function with two decorators is there twice."""
    write_functions(world, FUNCTIONS, "b")
    write_functions(world, f"{HEAD}@mends(name='x')\n@mends(reason='not_json', name='y'){BODY}", "a")
    write_functions(world, "nothing to declare", "_helper")
    functions = world.catalog.mending.functions
    assert [(function.file.name, function.name, function.line) for function in functions[:3]] == [
        ("a", "f", 4),
        ("a", "f", 4),
        ("b", "milliseconds", 10),
    ]
    assert [(function.reason, function.event_name) for function in functions[:2]] == [(None, "x"), ("not_json", "y")]


def test_the_fingerprint_is_that_of_what_is_declared_and_written(world: World) -> None:
    """The same text gives the same one, in whatever process."""
    assert world.catalog.mending.fingerprint == 0
    found = []
    for text in (FUNCTIONS, FUNCTIONS + "\n# a comment", FUNCTIONS):
        write_functions(world, text)
        found.append(world.catalog.mending.fingerprint)
    assert found[0] == found[2] != found[1]
    assert pickle.loads(pickle.dumps(world.catalog.mending)) == world.catalog.mending  # noqa: S301 - as for a worker


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("def f(:\n", "rules.py:1: cannot be read: invalid syntax"),
        ("x = 1\n", "rules.py: no function has the decorator @mends"),
        (f"{HEAD}@mends(){BODY}", 'rules.py:2: @mends: expected reason="…", name="…" or both, written out as texts'),
        (f"{HEAD}@mends('not_json'){BODY}", 'rules.py:2: @mends: expected reason="…", name="…" or both'),
        (f"{HEAD}@mends(reason=HEAD){BODY}", 'rules.py:2: @mends: expected reason="…", name="…" or both'),
        (f"{HEAD}\n@mends(reason='no_json'){BODY}", "rules.py:3: @mends: reason 'no_json' is not one of not_utf8,"),
        (
            f"{HEAD}@mends(reason='record_too_large'){BODY}",
            "rules.py:2: @mends: reason 'record_too_large' cannot be mended: only the beginning of such a record",
        ),
        (f"{HEAD}@mends(name='a\\nb'){BODY}", "rules.py:2: @mends: 'a\\nb' is not the name of an event"),
        (f"{HEAD}@mends(name='account:created'){BODY}", "rules.py:2: @mends: the catalog has 'account:created'"),
        (f"{HEAD}@mends(reason='not_json')\nclass A: pass\n", "rules.py:2: @mends: expected a function (def)"),
        (f"{HEAD}@mends(reason='not_json'){BODY}{BODY}", "rules.py:5: the function f is defined in line 3 as well"),
        (
            f"{HEAD}@mends(reason='not_json'){BODY}import nowhere\n",
            "rules.py:4: cannot be run: No module named",
        ),
        (f"{HEAD}@mends(reason='not_json'){BODY}raise SystemExit\n", "rules.py: cannot be run: it ends the process"),
    ],
)
def test_a_fault_has_the_file_and_the_line(world: World, text: str, fault: str) -> None:
    """Whether the file cannot be parsed, or declares what cannot be, or cannot be run."""
    assert fault_of(world, text).startswith(fault)


def test_the_code_location_has_the_same_faults(world: World) -> None:
    """Where a file cannot be run."""
    fault = fault_of(world, f"{HEAD}@mends(reason='not_json'){BODY}1 / 0\n")
    assert fault == "rules.py:4: cannot be run: division by zero (ZeroDivisionError)"
    with pytest.raises(CatalogError, match=r"rules\.py:4: cannot be run: division by zero"):
        build_definitions(world.environment, load_catalog(Path(world.environment.catalog)))


def test_personal_fields_are_masked_in_damaged_records_too() -> None:
    """At any depth; up to the end where it is not known where a value ends."""
    text = '{"email": "a@b.c", "n": {"email" : ["x", {"y": 1}]}, "z": 1,}'
    assert mask_text({"email"}, text) == '{"email": •••, "n": {"email" : •••}, "z": 1,}'
    assert mask_text({"email"}, '{"z": 1, "email": "a@b.c') == '{"z": 1, "email": •••'
    assert mask_text(set(), text) == text


def test_personal_fields_are_found_at_any_depth() -> None:
    """By each of their keys; of an array or a map with personal values its own."""
    personal = {"type": "string", "x-personal": True}
    person = {"type": "object", "properties": {"name": {**personal, "x-was": ["alias"]}, "team": {"type": "string"}}}
    document = {
        "properties": {
            "mails": {"type": "array", "items": personal},
            "friends": {"type": "array", "items": {"type": "array", "items": person}},
            "author": person,
            "level": {"type": "integer"},
        }
    }
    fields = list(personal_fields(parse_columns(document, "properties", [])))
    assert fields == ["mails", "friends", "name", "alias", "name", "alias"]

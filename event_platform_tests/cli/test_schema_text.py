"""Edits of the text of a schema: what is not edited stays as it is written."""

import json
from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from event_platform.cli.catalog.schema_text import edit_text
from event_platform.events.differences.proposal import Edit, Operation, apply_edits
from event_platform.events.errors import CatalogError

WRITTEN = """\
# Owned by growth.
title: "a:b"   # the event
description: A text that somebody
  broke into lines.
properties:
  # where it was
  device: {type: string}   # sic

  plan:
    type: string
    enum: [no, 'yes', ~]   # of last year

# what every event has
required:
  - device
x-owner: team:growth
# the end
"""

EDITED = """\
# Owned by growth.
title: "a:b"   # the event
description: A text that somebody
  broke into lines.
properties:
  # where it was
  device: {type: string}   # sic

  plan:
    type: string
    enum: [no, 'yes', ~]   # of last year
    x-mixed:
      - integer
  'on':
    type: string
    enum:
      - 'no'
      - "\\e[31m"

# what every event has
required:
  - device
  - plan
x-owner: team:growth
# the end
x-version: 1-0-1
"""

EDITS = [
    Edit(("properties", "on"), {"type": "string", "enum": ["no", "\x1b[31m"]}),
    Edit(("properties", "plan", "x-mixed"), ["integer"]),
    Edit(("required",), "plan", Operation.APPEND),
    Edit(("x-version",), "1-0-1"),
]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_comments_order_quotes_and_line_breaks_stay(end: str) -> None:
    """New lines come before the blank line and the comment of what follows; `no` and `on` are texts in quotes."""
    assert edit_text(WRITTEN.replace("\n", end), ".yaml", EDITS) == EDITED.replace("\n", end)


def test_a_new_property_is_written_like_those_beside_it() -> None:
    """In braces, and with the indent of the file."""
    text = "title: a\nproperties:\n    p: {type: string}\n    q: {type: string}\nrequired:\n- p\n"
    edits = [Edit(("properties", "r"), {"type": "integer"}), Edit(("x-names",), "A b", Operation.APPEND)]
    added = "    r: {type: integer}\n"
    assert edit_text(text, ".yaml", edits) == text.replace("required", f"{added}required") + "x-names:\n- A b\n"


def test_a_draft_of_long_lines_stays_as_it_is() -> None:
    """`catalog draft` breaks them."""
    document = {"title": "a", "description": "word " * 50 + "end", "properties": {}}
    text = yaml.safe_dump(document, sort_keys=False, width=110)
    assert edit_text(text, ".yaml", [Edit(("x-version",), "1-0-1")]) == text + "x-version: 1-0-1\n"


@pytest.mark.parametrize("indent", [None, 2, 4, "\t"])
def test_json_keeps_its_indent(indent: int | str | None) -> None:
    """And its end."""
    document = {"title": "é", "properties": {"p": {"type": "string"}}}
    expected = json.loads(json.dumps(document))
    apply_edits(expected, EDITS)
    text, edited = (json.dumps(each, ensure_ascii=False, indent=indent) for each in (document, expected))
    assert edit_text(text, ".json", EDITS) == edited


def test_one_of_two_aliases_is_not_edited() -> None:
    """The other one would change as well."""
    text = "title: a\nproperties:\n  p: &it {type: string}\n  q: *it\n"
    with pytest.raises(CatalogError, match="such as a YAML alias"):
        edit_text(text, ".yaml", [Edit(("properties", "p", "description"), "x")])


TEXTS = st.text("ab1 #:-'\"{}[],\n\t~é\x1b", max_size=8) | st.sampled_from(
    ["no", "on", "1", "1_0", "12:30", "~", "# x", "a: b", "2025-06-02", " x"]
)
VALUES = st.recursive(
    TEXTS | st.integers() | st.booleans() | st.sampled_from([0.5, 1.0, -2.25]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
DOCUMENTS = st.dictionaries(TEXTS, st.dictionaries(TEXTS, VALUES, max_size=3), min_size=1, max_size=4)


@settings(max_examples=30, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(document=DOCUMENTS, key=TEXTS, value=VALUES, width=st.sampled_from([20, 80, 110]), flow=st.booleans())
def test_the_outcome_says_what_was_asked_for(
    document: dict[str, Any], key: str, value: Any, width: int, flow: bool
) -> None:
    """However the file was written, and whatever is in it; or it is refused."""
    text = yaml.safe_dump(document, sort_keys=False, width=width, allow_unicode=True, default_flow_style=flow or None)
    assert yaml.safe_load(text) == document
    edit = Edit((next(iter(document)), key), value)
    expected = json.loads(json.dumps(document))
    apply_edits(expected, [edit])
    with suppress(CatalogError):
        assert yaml.safe_load(edit_text(text, ".yaml", [edit])) == expected

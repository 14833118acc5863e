"""Writes the text of schemas: new ones, and edits of existing ones.

Lines without an edit keep their comments, order, quoting and line breaks. ruamel.yaml preserves most of them; lines
that it would write differently are copied from the original text. The outcome is parsed again, and must contain exactly
the edits.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from io import StringIO
from itertools import product
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import SingleQuotedScalarString

from event_platform.events.differences.proposal import Edit, Operation, apply_edits
from event_platform.events.documents import YAML_LOADER
from event_platform.events.errors import CatalogError

#: Common styles of people and programs: indentation of lists, relative to their key, and widths of lines.
_INDENTS = [(2, 2, 0), (2, 4, 2), (4, 2, 0), (4, 6, 4), (4, 4, 2)]
_WIDTHS = (100_000, 110, 80)

_STRING = "tag:yaml.org,2002:str"
_RESOLVER = yaml.resolver.Resolver()


def new_text(schema: Mapping[str, Any], suffix: str) -> str:
    """Return the text of a new schema: JSON if the file's suffix is .json, else YAML."""
    if suffix == ".json":
        return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
    return yaml.safe_dump(schema, sort_keys=False, allow_unicode=True, width=110)


def edit_text(text: str, suffix: str, edits: Sequence[Edit]) -> str:
    """Return the text of a schema (JSON if the file's suffix is .json, else YAML) with edits.

    Raises CatalogError if an edit would change something else, for example through a YAML alias.
    """
    is_json = suffix == ".json"
    lines = text.replace("\r\n", "\n")
    base, edited = (_edit_json if is_json else _edit_yaml)(lines, edits)
    expected = json.loads(
        json.dumps(_parse(lines, is_json=is_json))
    )  # as JSON, aliases of one value are separate values
    apply_edits(expected, edits)
    for candidate in (_keep_lines(lines, base, edited), edited):
        if _parses_to(candidate, expected, is_json=is_json):
            return candidate.replace("\n", "\r\n") if "\r\n" in text else candidate
    raise CatalogError("the edit would change another part of the file, such as a YAML alias; edit the file by hand")


def _parse(text: str, *, is_json: bool) -> Any:
    return json.loads(text) if is_json else yaml.load(text, Loader=YAML_LOADER)  # noqa: S506 - it is a safe loader


def _parses_to(text: str, expected: Any, *, is_json: bool) -> bool:
    try:
        return bool(_parse(text, is_json=is_json) == expected)
    except (ValueError, yaml.YAMLError):
        return False


def _edit_json(text: str, edits: Iterable[Edit]) -> tuple[str, str]:
    """Return the JSON text as this module writes it, without the edits and with them."""
    indent = re.search(r"\n([ \t]+)\S", text)
    sides = [json.loads(text), json.loads(text)]
    apply_edits(sides[1], edits)
    end = "\n" if text.endswith("\n") else ""
    base, edited = (json.dumps(each, ensure_ascii=False, indent=indent[1] if indent else None) + end for each in sides)
    return base, edited


def _edit_yaml(text: str, edits: Iterable[Edit]) -> tuple[str, str]:
    """Return the YAML text as ruamel.yaml writes it, without the edits and with them."""
    try:
        writer, base = _closest_writer(text)
        document = writer.load(text)
        for edit in edits:
            pointer = tuple(map(_as_yaml, edit.pointer))
            apply_edits(document, [Edit(pointer, _as_yaml(edit.value), edit.operation)])
            _match_neighbours(document, edit)
        return base, _dump(writer, document)
    except YAMLError as error:
        raise CatalogError(f"cannot be edited: {' '.join(str(error).split())}") from error


def _closest_writer(text: str) -> tuple[YAML, str]:
    """Return the YAML writer whose output is closest to the original text, and that output."""
    writers = [_writer(indent, width) for indent, width in product(_INDENTS, _WIDTHS)]
    document, lines = writers[0].load(text), set(text.splitlines())
    writers_by_difference: dict[int, tuple[YAML, str]] = {}  # by the number of lines that differ
    for writer in writers:
        output = _dump(writer, document)
        writers_by_difference.setdefault(len(lines ^ set(output.splitlines())), (writer, output))
        if 0 in writers_by_difference:
            break
    return writers_by_difference[min(writers_by_difference)]


def _writer(indent: tuple[int, int, int], width: int) -> YAML:
    writer = YAML()
    writer.preserve_quotes, writer.width = True, width
    writer.indent(*indent)
    return writer


def _dump(writer: YAML, document: Any) -> str:
    stream = StringIO()
    writer.dump(document, stream)
    return stream.getvalue()


def _as_yaml(value: Any) -> Any:
    """Return a value for ruamel.yaml; strings with another meaning in YAML 1.1 (such as `no`) are quoted."""
    if isinstance(value, dict):
        return CommentedMap((_as_yaml(key), _as_yaml(nested)) for key, nested in value.items())
    if isinstance(value, list):
        return CommentedSeq(map(_as_yaml, value))
    if isinstance(value, str) and _RESOLVER.resolve(yaml.ScalarNode, value, (True, False)) != _STRING:  # type: ignore[no-untyped-call]
        return SingleQuotedScalarString(value)
    return value


def _match_neighbours(document: CommentedMap, edit: Edit) -> None:
    """Write a new property in braces if its neighbours are in braces."""
    *parents, key = edit.pointer
    inner: Any = document
    for parent in parents:
        inner = inner[parent]
    value = inner.get(key) if edit.operation is Operation.SET else None
    neighbours = [each for name, each in inner.items() if name != key and isinstance(each, CommentedMap)]
    are_in_braces = bool(neighbours) and all(each.fa.flow_style() for each in neighbours)
    if are_in_braces and isinstance(value, CommentedMap) and "properties" not in value:
        value.fa.set_flow_style()


def _keep_lines(text: str, base: str, edited: str) -> str:
    """Return the edited text; lines without an edit are copied from the original text."""
    lines, edited_lines = base.splitlines(keepends=True), edited.splitlines(keepends=True)
    originals = _originals(text.splitlines(keepends=True), lines)
    result = list(originals[-1])
    for operation, start, end, new_start, new_end in SequenceMatcher(
        None, lines, edited_lines, autojunk=False
    ).get_opcodes():
        if operation == "equal":
            result += [line for number in range(start, end) for line in originals[number]]
            continue
        new_lines = edited_lines[new_start:new_end]
        end_of_block = _before_comments(result, new_lines) if operation == "insert" else len(result)
        result[end_of_block:end_of_block] = new_lines
    return "".join(result)


def _originals(text: Sequence[str], lines: Sequence[str]) -> dict[int, list[str]]:
    """Map the number of each line of `lines` to its lines in the text; -1 to the lines before the first."""
    originals: dict[int, list[str]] = {number: [] for number in range(-1, len(lines))}
    for operation, start, end, new_start, new_end in SequenceMatcher(None, lines, text, autojunk=False).get_opcodes():
        if operation == "equal":
            originals |= {start + number: [text[new_start + number]] for number in range(end - start)}
        elif operation == "insert":
            originals[start - 1] += text[new_start:new_end]
        else:
            originals[start] += text[new_start:new_end]
    return originals


def _before_comments(lines: Sequence[str], new_lines: Sequence[str]) -> int:
    """Return the position for new lines: above the blank lines and comments that belong to the next key."""
    indent, end = _indent(new_lines[0]), len(lines)
    while end and (not lines[end - 1].strip() or _is_comment_outside(lines[end - 1], indent)):
        end -= 1
    return end


def _is_comment_outside(line: str, indent: int) -> bool:
    return line.lstrip().startswith("#") and _indent(line) < indent


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))

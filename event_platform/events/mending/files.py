"""`catalog/mend/*.py` → their declared functions. Files are parsed here; they run where records are loaded.

Commands that only read the catalog therefore run none of this code, and faults have a line number.
"""

import ast
import hashlib
import json
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import or_
from pathlib import Path

import polars as pl

from event_platform.events.corruption import CorruptionReason, is_name

#: The folder of the files, in the folder of the catalog.
MEND_FOLDER = "mend"

_DECORATOR = "mends"
_ARGUMENTS = {"reason", "name"}
_VERSION_LENGTH = 8

#: Reasons of rows that do not have a whole record.
_UNMENDABLE: dict[str | None, str] = {
    CorruptionReason.RECORD_TOO_LARGE: "only the beginning of such a record is read",
    CorruptionReason.UNREADABLE_OBJECT: "it is not that of a record",
    CorruptionReason.UNSUPPORTED_FORMAT: "it is not that of a record",
}
_MENDABLE_REASONS = [reason.value for reason in CorruptionReason if reason not in _UNMENDABLE]


@dataclass(frozen=True)
class MendFile:
    """A file with functions. Its text is sent to the processes that load records."""

    path: str
    text: str = field(repr=False)

    @property
    def name(self) -> str:
        """The name in `mended_by`."""
        return Path(self.path).stem

    @cached_property
    def version(self) -> str:
        """A digest of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:_VERSION_LENGTH]


@dataclass(frozen=True)
class MendFunction:
    """A function, and its selection of dead letters."""

    file: MendFile
    name: str
    line: int
    reason: str | None  # of corrupt records; None for sound ones
    event_name: str | None  # None for any

    @property
    def label(self) -> str:
        """The text in `mended_by`: file, function and version."""
        return f"{self.file.name}:{self.name}@{self.file.version}"

    @property
    def selection(self) -> pl.Expr:
        """Whether the function receives a record of raw_events."""
        reason = pl.col("corruption_reason")
        expected = reason.is_null() if self.reason is None else (reason == self.reason).fill_null(value=False)
        return expected if self.event_name is None else expected & (pl.col("event_name") == self.event_name)


@dataclass(frozen=True)
class Mending:
    """The functions of a catalog, in the order of their application to a record."""

    functions: tuple[MendFunction, ...] = ()

    @cached_property
    def fingerprint(self) -> int:
        """A digest of the functions and their order; 0 without functions. Each loaded day stores it."""
        rows = [(each.label, each.reason, each.event_name) for each in self.functions]
        return zlib.crc32(json.dumps(rows).encode()) or 1 if rows else 0

    @property
    def selection(self) -> pl.Expr:
        """Whether any function receives a record of raw_events."""
        return reduce(or_, (each.selection for each in self.functions), pl.lit(value=False)).fill_null(value=False)

    @property
    def event_names(self) -> list[str]:
        """The names of sound events that functions receive."""
        return sorted({each.event_name for each in self.functions if each.reason is None and each.event_name})

    @property
    def files(self) -> list[MendFile]:
        """The files of the functions."""
        return list({each.file.path: each.file for each in self.functions}.values())


#: The mending of a catalog without functions.
NO_MENDING = Mending()


def load_mending(folder: Path, known_names: Collection[str], faults: list[str]) -> Mending:
    """Parse the files below the folder of a catalog, which has `known_names`. Faults are appended, one line each.

    Functions are in the order of their file names and lines. Hidden files, and files whose names begin with `_`, are
    ignored.
    """
    functions: list[MendFunction] = []
    for path in sorted((folder / MEND_FOLDER).glob("*.py")):
        if not path.name.startswith(("_", ".")):
            functions += _parse(path, known_names, faults)
    return Mending(tuple(functions))


def _parse(path: Path, known_names: Collection[str], faults: list[str]) -> Iterator[MendFunction]:
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text, str(path))
    except (OSError, ValueError, SyntaxError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        faults.append(f"{path}{line}: cannot be read: {getattr(error, 'msg', error)}")
        return
    file, has_function = MendFile(str(path), text), False
    for node in tree.body:
        for call in _declarations(node):
            has_function = True
            arguments = _arguments(call)
            fault = _fault(node, call, arguments, known_names)
            if fault:
                faults.append(f"{path}:{call.lineno}: {fault}")
            elif isinstance(node, ast.FunctionDef):
                yield MendFunction(file, node.name, node.lineno, arguments.get("reason"), arguments.get("name"))
    faults += [f"{path}: no function has the decorator @{_DECORATOR}"] if not has_function else _duplicates(path, tree)


def _declarations(node: ast.stmt) -> list[ast.Call]:
    """Return the `mends` decorators of a function, the first one first."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return []
    calls = [each for each in node.decorator_list if isinstance(each, ast.Call)]
    return [each for each in calls if _DECORATOR in (getattr(each.func, "id", ""), getattr(each.func, "attr", ""))]


def _arguments(call: ast.Call) -> dict[str, str]:
    return {
        str(each.arg): each.value.value
        for each in call.keywords
        if isinstance(each.value, ast.Constant) and isinstance(each.value.value, str)
    }


def _fault(node: ast.stmt, call: ast.Call, arguments: dict[str, str], known_names: Collection[str]) -> str | None:
    """Return why a declaration cannot be used."""
    reason, name = arguments.get("reason"), arguments.get("name")
    if not isinstance(node, ast.FunctionDef):
        return f"@{_DECORATOR}: expected a function (def)"
    if call.args or not arguments or len(arguments) < len(call.keywords) or not arguments.keys() <= _ARGUMENTS:
        return f'@{_DECORATOR}: expected reason="…", name="…" or both, written out as texts'
    if reason in _UNMENDABLE:
        return f"@{_DECORATOR}: reason {reason!r} cannot be mended: {_UNMENDABLE[reason]}"
    if reason is not None and reason not in _MENDABLE_REASONS:
        return f"@{_DECORATOR}: reason {reason!r} is not one of {', '.join(_MENDABLE_REASONS)}"
    if name is not None and not is_name(name):
        return f"@{_DECORATOR}: {name!r} is not the name of an event"
    is_registered = reason is None and name in known_names
    return f"@{_DECORATOR}: the catalog has {name!r}, its events need no mending" if is_registered else None


def _duplicates(path: Path, tree: ast.Module) -> Iterator[str]:
    """Yield a fault for each function with the name of an earlier one: only the last one could be called."""
    lines: dict[str, int] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            if node.name in lines:
                yield f"{path}:{node.lineno}: the function {node.name} is defined in line {lines[node.name]} as well"
            lines.setdefault(node.name, node.lineno)

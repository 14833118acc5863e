"""Compare exported files with existing ones, and write the differences."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml


class Change(StrEnum):
    """The effect of an export on a file."""

    CREATED = "created"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True)
class ChangedFile:
    """A file that differs from its export; None stands for a missing file."""

    path: Path
    before: str | None
    after: str | None

    @property
    def change(self) -> Change:
        """The effect of the export on the file."""
        if self.before is None:
            return Change.CREATED
        return Change.REMOVED if self.after is None else Change.CHANGED

    def diff(self) -> Iterator[str]:
        """Yield the lines of a unified diff, without their line breaks."""
        before, after = (self.before or "").splitlines(), (self.after or "").splitlines()
        old, new = ("/dev/null" if text is None else str(self.path) for text in (self.before, self.after))
        return difflib.unified_diff(before, after, old, new, lineterm="")

    def write(self) -> None:
        """Write the file, or remove it."""
        if self.after is None:
            self.path.unlink(missing_ok=True)
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(self.after, encoding="utf-8", newline="\n")


def changed_files(folder: Path, files: Mapping[str, str], earlier_files: Iterable[Path] = ()) -> list[ChangedFile]:
    """Return the files below a folder that differ from `files`, by path. `earlier_files` not in `files` are removed."""
    texts: dict[Path, str | None] = dict.fromkeys(earlier_files)
    texts |= {folder / name: text for name, text in files.items()}
    candidates = (ChangedFile(path, _read(path), text) for path, text in sorted(texts.items()))
    return [each for each in candidates if each.before != each.after]


def marked_yaml(marker: str, content: Mapping[str, Any]) -> str:
    """Return a YAML document with a marker in its first line."""
    return f"# {marker}\n" + yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=120)


def marked_files(folder: Path, pattern: str, marker: str) -> list[Path]:
    """Return the files that match a pattern and have a marker in their first line."""
    return [path for path in folder.glob(pattern) if marker in (_read(path) or "").partition("\n")[0]]


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode(errors="replace")
    except (FileNotFoundError, IsADirectoryError):  # also a file that was deleted after its folder was listed
        return None

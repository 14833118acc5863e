"""Landing in a local folder.

obstore's listing is not used: its LocalStore fails on a whole listing because of one name that is not UTF-8 or has a
control character, and it follows links, even out of landing.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from functools import cached_property
from pathlib import Path

from event_platform.events.errors import LandingError, UnreadableError
from event_platform.landing.dates import FolderKind, folder_kind
from event_platform.landing.landing import LandedObject, Landing, Survey, add_folder, loadable
from event_platform.landing.names import is_hidden, is_utf8, printable
from event_platform.landing.omissions import Omissions
from event_platform.storage.folder import FolderStore

_REPLACE_LINK = "put the files themselves there"
_ACCESS = "grant access to it, or take it out of landing"


@dataclass(frozen=True)
class FolderLanding(Landing):
    """Landing in a folder of this machine."""

    root: Path
    zone: tzinfo = UTC

    @cached_property
    def store(self) -> FolderStore:
        """See Landing."""
        return FolderStore(self.root)

    def survey(self, omissions: Omissions, *, often: bool = False) -> Survey:  # noqa: ARG002 - a folder is cheap to list
        """See Landing."""
        folders = dict[date, list[str]]()
        outside = list(self._walk(omissions, folders).below(""))
        return Survey(folders, outside)

    def _list_folders(
        self, folders: Mapping[date, Sequence[str]], omissions: Omissions
    ) -> Iterator[tuple[date, list[LandedObject]]]:
        for day, paths in folders.items():
            yield day, [landed_object for path in paths for landed_object in self._walk(omissions).below(path[:-1])]

    def list_all(self, omissions: Omissions) -> Iterator[LandedObject]:
        """See Landing."""
        return self._walk(omissions).below("")

    def _walk(self, omissions: Omissions, folders: dict[date, list[str]] | None = None) -> "_Walk":
        return _Walk(self.root, self.zone, omissions, folders)


@dataclass(frozen=True)
class _Walk:
    """A walk through folders that reports folders it cannot list or must not follow, and continues with the others."""

    root: Path
    zone: tzinfo
    omissions: Omissions
    folders: dict[date, list[str]] | None = None  # if given, day folders are added to it instead of being entered

    def below(self, start: str) -> Iterator[LandedObject]:
        """Yield the objects below a folder; nothing if it is missing. Raises LandingError if the root is missing."""
        if not self.root.is_dir():
            raise LandingError(
                f"{self.root}: no such folder. Expected the folder that objects land in: create or mount it, or "
                "correct EVENT_PLATFORM_LANDING.",
                transient=False,
            )
        if not self._is_inside(self.root / start):
            self._refuse(start, "a link that leads out of landing", _REPLACE_LINK)
            return
        folders = [(start, False)]  # still to be listed, and whether a link leads there
        while folders:
            folder, is_below_link = folders.pop()
            for entry in self._entries(folder):
                name = f"{folder}/{entry.name}" if folder else entry.name
                try:
                    if self._refuses(name, entry, is_below_link=is_below_link):
                        continue
                    if not entry.is_dir():
                        yield from self._file(name, entry)
                    elif self.folders is None or folder_kind(name) is not FolderKind.DAY:
                        folders.append((name, is_below_link or entry.is_symlink()))
                    else:
                        add_folder(self.folders, f"{name}/", self.zone)
                except FileNotFoundError:  # deleted since its folder was listed
                    continue
                except OSError as error:
                    self._refuse(name, error.strerror or str(error), _ACCESS, error)

    def _entries(self, folder: str) -> list["os.DirEntry[str]"]:
        path = str(self.root / folder)
        try:
            with os.scandir(path) as entries:
                return list(entries)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            fault = error.strerror or str(error)
            if not folder:
                raise LandingError(
                    printable(f"{path}: {fault}"), remedy="grant access to it, then run again"
                ) from error
            self._refuse(folder, fault, _ACCESS, error)
            return []

    def _file(self, name: str, entry: "os.DirEntry[str]") -> Iterator[LandedObject]:
        if entry.is_file():
            status = entry.stat()
            modified = datetime.fromtimestamp(status.st_mtime, UTC)
            yield from loadable(name, status.st_size, f"{status.st_mtime_ns:x}", modified, self.zone, self.omissions)

    def _refuses(self, name: str, entry: "os.DirEntry[str]", *, is_below_link: bool) -> bool:
        """Return whether to skip an entry, and note why: no table can hold its name, or a link must not be followed."""
        if not is_utf8(name):
            self._refuse(name, "its name is not UTF-8, and no table could hold it", "rename it")
            return not is_hidden(name)
        fault = self._fault_of_link(entry.path, is_below_link=is_below_link) if entry.is_symlink() else None
        if fault is not None:
            self._refuse(name, fault, _REPLACE_LINK)
        return fault is not None

    def _fault_of_link(self, path: str, *, is_below_link: bool) -> str | None:
        target = Path(os.path.realpath(path))
        if not self._is_inside(target):
            return f"a link that leads out of landing, to {target}"
        if not target.exists():
            Path(path).lstat()  # raises where it was deleted since its folder was listed
            return "a link that leads nowhere"
        if target.is_dir() and Path(os.path.realpath(Path(path).parent)).is_relative_to(target):
            return "a link that leads round in a circle"
        if target.is_dir() and is_below_link:  # each such link could double the number of paths
            return "a link to a folder, below another one"
        return None

    def _is_inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.root))

    def _refuse(self, name: str, fault: str, remedy: str, error: OSError | None = None) -> None:
        if not is_hidden(name):
            self.omissions.faults[name] = UnreadableError(
                printable(f"{self.root / name}: {fault}. It is left out: {remedy}, then run again."),
                transient=error is not None and not isinstance(error, PermissionError),
            )

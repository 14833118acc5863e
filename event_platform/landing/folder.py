"""Landing in a folder of this machine.

The walk is not obstore's: for one name that is not UTF-8 or holds a control character, LocalStore fails on a whole
listing, and it follows links, also those that lead out of landing.
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
            yield day, [landed for path in paths for landed in self._walk(omissions).below(path[:-1])]

    def list_all(self, omissions: Omissions) -> Iterator[LandedObject]:
        """See Landing."""
        return self._walk(omissions).below("")

    def _walk(self, omissions: Omissions, folders: dict[date, list[str]] | None = None) -> "_Walk":
        return _Walk(self.root, self.zone, omissions, folders)


@dataclass(frozen=True)
class _Walk:
    """A walk through folders that names what it cannot list or must not follow, and goes on beside it."""

    root: Path
    zone: tzinfo
    omissions: Omissions
    folders: dict[date, list[str]] | None = None  # where it is given, the folders of days are put there, not entered

    def below(self, start: str) -> Iterator[LandedObject]:
        """Yield the objects below a folder, which need not be there. Raises LandingError where the root is not."""
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
            folder, linked = folders.pop()
            for entry in self._entries(folder):
                name = f"{folder}/{entry.name}" if folder else entry.name
                try:
                    if self._refuses(name, entry, linked=linked):
                        continue
                    if not entry.is_dir():
                        yield from self._file(name, entry)
                    elif self.folders is None or folder_kind(name) is not FolderKind.DAY:
                        folders.append((name, linked or entry.is_symlink()))
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
            why = error.strerror or str(error)
            if not folder:
                raise LandingError(printable(f"{path}: {why}"), remedy="grant access to it, then run again") from error
            self._refuse(folder, why, _ACCESS, error)
            return []

    def _file(self, name: str, entry: "os.DirEntry[str]") -> Iterator[LandedObject]:
        if entry.is_file():
            status = entry.stat()
            modified = datetime.fromtimestamp(status.st_mtime, UTC)
            yield from loadable(name, status.st_size, f"{status.st_mtime_ns:x}", modified, self.zone, self.omissions)

    def _refuses(self, name: str, entry: "os.DirEntry[str]", *, linked: bool) -> bool:
        """Refuse a name that no table could hold, and a link that leads out; hidden ones without a fault."""
        if not is_utf8(name):
            self._refuse(name, "its name is not UTF-8, and no table could hold it", "rename it")
            return not is_hidden(name)
        why = self._fault_of_link(entry.path, linked=linked) if entry.is_symlink() else None
        if why is not None:
            self._refuse(name, why, _REPLACE_LINK)
        return why is not None

    def _fault_of_link(self, path: str, *, linked: bool) -> str | None:
        target = Path(os.path.realpath(path))
        if not self._is_inside(target):
            return f"a link that leads out of landing, to {target}"
        if not target.exists():
            Path(path).lstat()  # raises where it was deleted since its folder was listed
            return "a link that leads nowhere"
        if target.is_dir() and Path(os.path.realpath(Path(path).parent)).is_relative_to(target):
            return "a link that leads round in a circle"
        if target.is_dir() and linked:  # each could double the paths to what is below
            return "a link to a folder, below another one"
        return None

    def _is_inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.root))

    def _refuse(self, name: str, why: str, remedy: str, error: OSError | None = None) -> None:
        if not is_hidden(name):
            self.omissions.faults[name] = UnreadableError(
                printable(f"{self.root / name}: {why}. It is left out: {remedy}, then run again."),
                transient=error is not None and not isinstance(error, PermissionError),
            )

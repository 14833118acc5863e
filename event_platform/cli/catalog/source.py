"""The location of another version of a catalog: a folder, or `git:REF`, the catalog's own folder at a revision."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from event_platform.events.catalog import ENVELOPE_FILE, SUFFIXES
from event_platform.events.derivation.references import MAX_TABLE_BYTES, MODULE_SUFFIX, TABLE_SUFFIXES
from event_platform.events.documents import MAX_BYTES
from event_platform.events.errors import CatalogError
from event_platform.events.evolution.catalogs import CatalogFiles, read_catalog_files

_GIT = "git:"
#: Suffixes of a catalog's files that are not schemas.
_OTHER_SUFFIXES = {MODULE_SUFFIX, *TABLE_SUFFIXES}
#: Mode of a file in git that is not a symbolic link or a submodule.
_FILE_MODES = {"100644", "100755"}


def read_other_catalog(source: str, folder: Path) -> CatalogFiles:
    """Read a catalog from a folder, or from `git:REF` as `folder` was at that revision. Raises CatalogError."""
    if not source:  # such as a variable that is not set: the comparison would be with the current folder
        raise CatalogError("expected a folder or git:REF to compare with, got an empty text")
    if not source.startswith(_GIT):
        if not Path(source).is_dir():
            raise CatalogError(f"{source}: no such folder; if it is a branch, tag or commit: --against git:{source}")
        return read_catalog_files(Path(source))
    with _revision(folder, source.removeprefix(_GIT)) as copy:
        try:
            return read_catalog_files(copy)
        except CatalogError as error:
            raise CatalogError(str(error).replace(str(copy), f"{source}:{folder}")) from error


@contextmanager
def _revision(folder: Path, ref: str) -> Iterator[Path]:
    """Yield a temporary folder with the catalog's files at a git revision. The working tree is not changed."""
    commit = _commit_of(folder, ref)
    blobs = list(_blobs(folder, commit))
    if not blobs:
        raise CatalogError(f"git:{ref}: {folder} has no schemas at this revision")
    with TemporaryDirectory() as copy:
        for name, blob in blobs:
            (Path(copy) / name).write_bytes(_git(folder, "cat-file", "blob", blob))
        yield Path(copy)


def _commit_of(folder: Path, ref: str) -> str:
    if not ref or ref.startswith("-"):
        raise CatalogError(f"git:{ref}: expected a branch, tag or commit, such as git:main")
    _git(folder, "rev-parse", "--git-dir")
    try:
        commit = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    except CatalogError as error:
        raise CatalogError(
            f"git:{ref}: no such branch, tag or commit in the repository of {folder}; fetch it first"
        ) from error
    return commit.decode().strip()


def _blobs(folder: Path, commit: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the object id of each file of the catalog."""
    for line in _git(folder, "ls-tree", "-l", "-z", commit, "./").decode(errors="surrogateescape").split("\0"):
        attributes, _, path = line.partition("\t")
        name = path.rpartition("/")[2]
        is_other_file = Path(name).suffix.lower() in _OTHER_SUFFIXES
        if not is_other_file and name != ENVELOPE_FILE and Path(name).suffix not in SUFFIXES:
            continue
        mode, _, blob, size = attributes.split()
        limit = MAX_TABLE_BYTES if is_other_file else MAX_BYTES
        if mode in _FILE_MODES and int(size) <= limit:
            yield name, blob
        elif not is_other_file:  # otherwise the schema that uses it, if any, has a fault
            raise CatalogError(f"{name}: at this revision not a regular file of up to {limit:,} bytes")


def _git(folder: Path, *arguments: str) -> bytes:
    """Return the output of a git command. Raises CatalogError if git fails or is not installed."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        process = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - no shell
    except FileNotFoundError as error:
        raise CatalogError("git is not installed; give --against a folder") from error
    except subprocess.CalledProcessError as error:
        raise CatalogError(f"git: {' '.join(error.stderr.decode(errors='replace').split())}") from error
    return process.stdout

"""Files of Iceberg's metadata through the lake's store, with its credentials and retries, in few requests."""

import os
from collections import OrderedDict
from collections.abc import Iterable
from io import BytesIO
from threading import Lock

from pyiceberg.io import FileIO, InputFile, OutputFile
from pyiceberg.typedef import EMPTY_DICT, Properties

from event_platform.events.errors import MissingError, SettingError
from event_platform.storage.storage import Storage
from event_platform.storage.uris import split_uri

#: Properties of the catalog that describe the lake: its root, and the prefix of its options.
_ROOT_PROPERTY, _OPTION_PREFIX = "event-platform.lake", "event-platform.lake.option."

#: Files that this process has read or written and may soon read again. A file never changes: each write has a new name.
_CACHE: OrderedDict[str, bytes] = OrderedDict()
_CACHE_LOCK = Lock()
_MAX_FILES, _MAX_FILE_BYTES = 512, 1 << 20


class OutsideError(FileNotFoundError):
    """A file that is not below the lake. The text is its location."""


def location_of(lake: Storage) -> str:
    """Return the address of a lake for engines: on Azure, with the account. Raises SettingError without one."""
    scheme, container, path = split_uri(lake.root)
    if scheme != "az":
        return lake.root
    account = lake.options.get("account_name") or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME")
    if not account:
        raise SettingError(f"{lake.root}: no account for Iceberg; expected AZURE_STORAGE_ACCOUNT_NAME")
    return f"abfss://{container}@{account}.dfs.core.windows.net/{path}".rstrip("/")


def lake_properties(lake: Storage) -> dict[str, str]:
    """Return the properties of a catalog whose files are in a lake. They may contain credentials."""
    options = {f"{_OPTION_PREFIX}{name}": value for name, value in lake.options.items()}
    return {"py-io-impl": f"{__name__}.{LakeFileIO.__name__}", _ROOT_PROPERTY: lake.root, **options}


class LakeFileIO(FileIO):
    """Reads and writes whole files of the lake. pyiceberg makes one from the properties of a catalog."""

    def __init__(self, properties: Properties = EMPTY_DICT) -> None:
        """Take the lake from the properties."""
        super().__init__(properties)
        options = {
            name.removeprefix(_OPTION_PREFIX): each
            for name, each in properties.items()
            if name.startswith(_OPTION_PREFIX)
        }
        self.lake = _lake(properties[_ROOT_PROPERTY], tuple(sorted(options.items())))
        self._root = location_of(self.lake)

    def location(self, name: str) -> str:
        """Return the address of a file below the lake, as metadata have it."""
        return f"{self._root}/{name}"

    def uri(self, location: str) -> str:
        """Return the address of a file as the lake has it."""
        return self.lake.uri(self.name(location))

    def name(self, location: str) -> str:
        """Return the path of a file below the lake. Raises OutsideError for any other."""
        root = f"{self._root}/"
        if not location.startswith(root):
            raise OutsideError(location)
        return location.removeprefix(root)

    def delete_files(self, locations: Iterable[str]) -> None:
        """Delete files; missing files are ignored. Raises StorageError."""
        self.lake.delete(map(self.uri, locations))

    def new_input(self, location: str) -> "LakeInputFile":
        """See FileIO."""
        return LakeInputFile(self, location)

    def new_output(self, location: str) -> "LakeOutputFile":
        """See FileIO."""
        return LakeOutputFile(self, location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """See FileIO."""
        self.delete_files([location if isinstance(location, str) else location.location])


class LakeInputFile(InputFile):
    """A file of the lake to read."""

    def __init__(self, io: LakeFileIO, location: str) -> None:
        """Store the location. Nothing is read."""
        super().__init__(location)
        self._lake, self._uri = io.lake, io.uri(location)

    def __len__(self) -> int:
        """See InputFile."""
        return len(self._data())

    def exists(self) -> bool:
        """See InputFile."""
        try:
            self._data()
        except MissingError:
            return False
        return True

    def open(self, seekable: bool = True) -> BytesIO:  # noqa: ARG002, FBT001, FBT002 - as pyiceberg has it
        """See InputFile. Raises FileNotFoundError."""
        try:
            return BytesIO(self._data())
        except MissingError as error:
            raise FileNotFoundError(str(error)) from error

    def _data(self) -> bytes:
        key = _key(self._lake, self._uri)
        if (data := _CACHE.get(key)) is None:
            data = self._lake.read(self._uri)
            _cache(key, data)
        return data


class LakeOutputFile(OutputFile):
    """A new file in the lake. It becomes visible, complete, when its stream is closed."""

    def __init__(self, io: LakeFileIO, location: str) -> None:
        """Store the future location."""
        super().__init__(location)
        self._io, self._size = io, 0

    def __len__(self) -> int:
        """See OutputFile."""
        return self._size

    def exists(self) -> bool:
        """See OutputFile. Names contain random numbers, so no file exists."""
        return False

    def to_input_file(self) -> LakeInputFile:
        """See OutputFile."""
        return LakeInputFile(self._io, self.location)

    def create(self, overwrite: bool = False) -> "_Upload":  # noqa: ARG002, FBT001, FBT002 - as pyiceberg has it
        """See OutputFile."""
        return _Upload(self)

    def store(self, data: bytes) -> None:
        """Write the file. As with Delta's log, only a bucket guarantees that it survives a power cut."""
        uri = self._io.uri(self.location)
        self._io.lake.write(uri, data)
        self._size = len(data)
        _cache(_key(self._io.lake, uri), data)


class _Upload(BytesIO):
    """A stream that is uploaded when it is closed, unless an error was raised before."""

    def __init__(self, file: LakeOutputFile) -> None:
        super().__init__()
        self._file = file

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            super().close()
        self.close()

    def close(self) -> None:
        if not self.closed:
            self._file.store(self.getvalue())
        super().close()


def _lake(root: str, options: tuple[tuple[str, str], ...]) -> Storage:
    return _LAKES.setdefault((root, options), Storage(root, dict(options)))


#: One per lake, because a store keeps its connections.
_LAKES: dict[tuple[str, tuple[tuple[str, str], ...]], Storage] = {}


def _key(lake: Storage, uri: str) -> str:
    return f"{lake.options.get('endpoint', '')} {uri}"


def _cache(key: str, data: bytes) -> None:
    if len(data) > _MAX_FILE_BYTES:
        return
    with _CACHE_LOCK:
        _CACHE[key] = data
        if len(_CACHE) > _MAX_FILES:
            _CACHE.popitem(last=False)

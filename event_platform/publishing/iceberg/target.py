"""The opened catalog, and a table in it: loading, and committing without pyiceberg's retries."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    NamespaceAlreadyExistsError,
    NoSuchIcebergTableError,
    NoSuchTableError,
    TableAlreadyExistsError,
    ValidationError,
)
from pyiceberg.table import StagedTable
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.update import AssertCreate, AssertRefSnapshotId, AssertTableUUID, TableRequirement, TableUpdate

from event_platform.events.errors import SettingError, TableError
from event_platform.lake.tables import Table
from event_platform.publishing.iceberg.file_io import LakeFileIO, OutsideError, lake_properties
from event_platform.publishing.iceberg.models import model
from event_platform.publishing.iceberg.setting import CatalogKind, IcebergSetting
from event_platform.storage.storage import Storage

if TYPE_CHECKING:
    from sqlalchemy import Engine

R = TypeVar("R")

#: The name that pyiceberg's SQL catalog keeps with each table: readers open it by this name.
CATALOG_NAME = "event_platform"

#: Folder of the metadata, in the folder of the table. Delta's vacuum ignores folders that begin with _.
METADATA_FOLDER = "_iceberg"

#: Number of attempts if other publishers commit at the same time. Every lost attempt is another publisher's success.
_TRIES = 10

#: Longest pause before the second try in seconds.
_LONGEST_PAUSE = 0.2

#: pyiceberg imports this class by its name, and adds the properties of its environment variables and files.
_REST = "event_platform.publishing.iceberg.rest.ImpatientRestCatalog"

#: Seconds to wait for another process that writes to SQLite.
_SQLITE_TIMEOUT = 60


@dataclass(frozen=True)
class OpenedCatalog:
    """A pyiceberg catalog for the tables of a lake, whose root is absolute."""

    catalog: Catalog
    namespace: str
    lake: Storage
    io: LakeFileIO
    is_in_lake: bool = False  # SQLite, which knows no other lake's tables

    def of(self, table: Table, name: str) -> "Target":
        """Return the table in the catalog, existing or not."""
        return Target(self, table, name)


@dataclass(frozen=True)
class Target:
    """A table of the lake, and its name in a catalog."""

    opened: OpenedCatalog
    table: Table
    name: str

    @property
    def identifier(self) -> tuple[str, ...]:
        """The name in the catalog, behind the levels of the namespace."""
        return *self.opened.namespace.split("."), self.name

    @property
    def location(self) -> str:
        """The address of the table."""
        return self.io.location(self.table.name)

    @property
    def metadata_folder(self) -> str:
        """The address of the metadata."""
        return f"{self.location}/{METADATA_FOLDER}"

    @property
    def io(self) -> LakeFileIO:
        """The files of the metadata."""
        return self.opened.io

    def load(self) -> IcebergTable | None:
        """Return the Iceberg table; None if it does not exist. Raises TableError if something else has its name."""
        try:
            table = self.opened.catalog.load_table(self.identifier)
        except NoSuchIcebergTableError as error:  # in Glue
            raise TableError(
                f"the catalog has a table {self.name} that is not an Iceberg table. Give EVENT_PLATFORM_ICEBERG "
                "another namespace, or delete that entry by `aws glue delete-table`"
            ) from error
        except NoSuchTableError:
            return None
        except (FileNotFoundError, ValidationError) as error:
            if self.opened.is_in_lake:  # which was moved, or has damaged metadata
                self.opened.catalog.drop_table(self.identifier)
                return None
            if isinstance(error, OutsideError):
                raise self._other_table(str(error)) from error
            raise
        if table.metadata.location.rstrip("/") != self.location:
            raise self._other_table(table.metadata.location)
        return table

    def _other_table(self, location: str) -> TableError:
        return TableError(
            f"the catalog has another table of this name, at {location}; expected {self.location}. "
            "Give EVENT_PLATFORM_ICEBERG another namespace"
        )

    def commit(self, base: IcebergTable | None, updates: list[TableUpdate]) -> TableMetadata:
        """Commit on top of a state of the table (None: create it), and return the new state, without retries.

        Raises CommitFailedException, or TableAlreadyExistsError, if another publisher was first.
        """
        table = base if base is not None else self._missing_table()
        requirements = (AssertCreate(),) if base is None else _unchanged_requirements(base.metadata)
        return self.opened.catalog.commit_table(table, requirements, tuple(updates)).metadata

    def _missing_table(self) -> StagedTable:
        """Return a table that does not exist yet. Only its name is used."""
        return StagedTable(self.identifier, TableMetadata, "", self.io, self.opened.catalog)  # type: ignore[arg-type]


def _unchanged_requirements(metadata: TableMetadata) -> tuple[TableRequirement, ...]:
    is_same = AssertTableUUID(uuid=metadata.table_uuid)
    return is_same, model(AssertRefSnapshotId, ref=MAIN_BRANCH, snapshot_id=metadata.current_snapshot_id)


def until_committed(table: Table, attempt: Callable[[], R]) -> R:
    """Call `attempt` until no other publisher commits first. It must start from the present state of the table.

    Raises TableError after the last attempt.
    """
    for number in range(_TRIES):
        try:
            return attempt()
        except (CommitFailedException, CommitStateUnknownException, TableAlreadyExistsError):
            time.sleep(random.uniform(0, _LONGEST_PAUSE * 2**number))  # noqa: S311 - no secret
    raise TableError(f"{table.name}: {_TRIES} times another publisher was first; publish again")


def open_catalog(setting: IcebergSetting, lake: Storage) -> OpenedCatalog:
    """Open a catalog, and create the namespace if it is missing."""
    lake = replace(lake, root=str(Path(lake.root).absolute())) if lake.is_local else lake
    properties = lake_properties(lake)
    catalog = _open(setting, {**properties, **setting.properties})
    if setting.kind is not CatalogKind.GLUE:
        _create_namespace(catalog, setting.namespace)
    is_in_lake = str(setting.uri).startswith(f"sqlite:///{lake.root}/")
    return OpenedCatalog(catalog, setting.namespace, lake, LakeFileIO(properties), is_in_lake)


def _open(setting: IcebergSetting, properties: dict[str, str]) -> Catalog:
    if setting.kind is CatalogKind.GLUE:
        return _open_glue(setting, properties)
    if setting.kind is CatalogKind.REST:
        return load_catalog(CATALOG_NAME, **{"py-catalog-impl": _REST}, **properties)
    uri = properties.get("uri", "")
    if not uri.startswith("sqlite:///"):
        return load_catalog(CATALOG_NAME, type=setting.kind.value, **properties)
    Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    return _open_sqlite(properties)


def _open_sqlite(properties: dict[str, str]) -> Catalog:
    from pyiceberg.catalog.sql import SqlCatalog  # noqa: PLC0415 - SQLAlchemy is needed here alone
    from sqlalchemy.exc import DatabaseError, OperationalError  # noqa: PLC0415 - as above

    try:
        catalog = SqlCatalog(CATALOG_NAME, **properties)
    except OperationalError:  # another process is creating the same tables
        catalog = SqlCatalog(CATALOG_NAME, **properties)
    except DatabaseError as error:
        raise SettingError(
            f"{properties['uri']}: {error.orig}. Delete it, or restore it from a backup: all tables are published again"
        ) from error
    _write_ahead(catalog.engine)
    return catalog


def _write_ahead(engine: "Engine") -> None:
    """Turn on SQLite's write-ahead log: readers do not wait for writers, and a commit is one write."""
    from sqlalchemy import event  # noqa: PLC0415 - as above

    @event.listens_for(engine, "connect")
    def _(connection: object, _record: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", f"busy_timeout={_SQLITE_TIMEOUT * 1000}"):
            connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]

    engine.dispose()  # connections that were opened before


def _open_glue(setting: IcebergSetting, properties: dict[str, str]) -> Catalog:
    from pyiceberg.catalog.glue import GlueCatalog  # noqa: PLC0415 - imports boto3

    from event_platform.publishing.glue import open_glue  # noqa: PLC0415 - as above

    client = open_glue(setting.namespace).client
    return GlueCatalog(CATALOG_NAME, client=client, **{"glue.skip-archive": "true", **properties})


def _create_namespace(catalog: Catalog, namespace: str) -> None:
    if catalog.namespace_exists(namespace):
        return
    try:
        catalog.create_namespace(namespace)
    except NamespaceAlreadyExistsError:  # by another process
        return
    except Exception as error:  # of the database: two processes have inserted the same row
        if not catalog.namespace_exists(namespace):
            raise SettingError(
                f"EVENT_PLATFORM_ICEBERG: the namespace {namespace} cannot be created: {error}"
            ) from error

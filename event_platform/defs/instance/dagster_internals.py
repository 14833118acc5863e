"""Every private name of Dagster that this project uses, and nothing else.

A minor release of Dagster may change or drop these names. Its version is pinned. The test of this module says what
depends on each name and what to do if it disappears. No other module imports or calls a private name of Dagster.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import BaseContext
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.event_api import EventHandlerFn
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill
from dagster._core.execution.execute_in_process import core_execute_in_process
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.snap import snapshot_from_execution_plan
from dagster._core.storage.event_log import (
    ConsolidatedSqliteEventLogStorage,
    InMemoryEventLogStorage,
    SqlEventLogStorage,
    SqlPollingEventWatcher,
)
from dagster._core.storage.event_log import in_memory as events_in_memory
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.runs import in_memory as runs_in_memory
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData, deserialize_value
from sqlalchemy.engine import Connection, Engine

if TYPE_CHECKING:
    from dagster._grpc.client import DagsterGrpcClient

__all__ = [
    "CODE_SERVER",
    "EVENT_LOG_TABLES",
    "SQLITE_BUSY_TIMEOUT_SECONDS",
    "BulkActionStatus",
    "BulkActionsFilter",
    "CheckRunHealthResult",
    "CodeServer",
    "ConfigurableClassData",
    "DagsterUserCodeUnreachableError",
    "DefaultRunLauncher",
    "EventHandlerFn",
    "FreshnessState",
    "PartitionBackfill",
    "SqlEventLogStorage",
    "SqlPollingEventWatcher",
    "SqliteEventLogBase",
    "SqliteRunStorage",
    "SqliteScheduleStorage",
    "WorkerStatus",
    "can_cancel",
    "client_of_code_server",
    "execute_job",
    "is_launched",
    "list_outputs_once",
    "log_no_unread_events",
    "name_location_of_runs",
    "open_without_records",
    "start_runs_with",
    "take_connections_from",
]

#: Contains the function that a code server starts in a run's process. Not imported here: 30 ms, for code servers only.
CODE_SERVER = "dagster._grpc.server"

#: Names of the tables of an event log.
EVENT_LOG_TABLES = tuple(SqlEventLogStorageMetadata.tables)


class SqliteEventLogBase(ConsolidatedSqliteEventLogStorage):
    """Dagster's event log in one SQLite file; subclasses provide the connections."""

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that ends with the context."""
        with super()._connect() as connection:
            yield connection

    def make_tables(self) -> None:
        """Make the tables of the log."""
        self._init_db()  # type: ignore[no-untyped-call]

    def _connect(self) -> Any:
        return self.connection()


class _NoEventLog(InMemoryEventLogStorage):
    """An event log that stores nothing. Dagster's in-memory log writes each event to SQLite, which nobody reads."""

    def store_event(self, event: dg.EventLogEntry) -> None:
        """See the base class."""

    @property
    def asset_records_have_last_observation(self) -> bool:
        """Whether it is enough to ask for records: otherwise Dagster looks for the observations of each asset."""
        return True


def open_without_records() -> dg.DagsterInstance:
    """Return an instance without records: the return values of runs are their only trace."""
    with _unversioned():
        instance, log = dg.DagsterInstance.ephemeral(), _NoEventLog()
    log.register_instance(instance)
    instance._event_storage = log  # noqa: SLF001 - this module is where it is done
    return instance


def _has_records(instance: dg.DagsterInstance) -> bool:
    return not isinstance(instance.event_log_storage, _NoEventLog)


@contextmanager
def _unversioned() -> Iterator[None]:
    """Open in-memory storages without storing the version of their tables.

    Nothing reads it, and Dagster loads all migrations of each storage for it: 20 ms.
    """
    modules: list[Any] = [events_in_memory, runs_in_memory]
    stamps = [module.stamp_alembic_rev for module in modules]
    try:
        for module in modules:
            module.stamp_alembic_rev = lambda *_arguments: None
        yield
    finally:
        for module, stamp in zip(modules, stamps, strict=True):
            module.stamp_alembic_rev = stamp


def name_location_of_runs(instance: dg.DagsterInstance, location: str, repository: str) -> None:
    """Add the code location to runs that this process executes, so that the UI can re-execute them.

    The origin of a launched run says how to start its code server; this one has only the name (see `is_launched`). A
    job with selected assets is used as it is: Dagster would select them again, and store the whole job. Without
    records, the plan of a run is never read.
    """
    has_records = _has_records(instance)
    origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), repository)

    def create_run(
        job_def: dg.JobDefinition,
        execution_plan: Any,
        run_id: str | None,
        run_config: Mapping[str, object],
        tags: Mapping[str, str],
        asset_selection: frozenset[dg.AssetKey],
    ) -> dg.DagsterRun:
        return instance.create_run(
            job_name=job_def.name,
            run_id=run_id,
            run_config=run_config,
            status=None,
            tags=tags,
            root_run_id=None,
            parent_run_id=None,
            step_keys_to_execute=execution_plan.step_keys_to_execute,
            execution_plan_snapshot=snapshot_from_execution_plan(execution_plan, job_def.get_job_snapshot_id())
            if has_records
            else None,
            job_snapshot=job_def.get_job_snapshot() if has_records else None,
            parent_job_snapshot=None,
            asset_selection=asset_selection or None,
            asset_check_selection=None,
            resolved_op_selection=None,
            op_selection=None,
            remote_job_origin=origin.get_job_origin(job_def.name),
            job_code_origin=None,
            asset_graph=job_def.asset_layer.asset_graph,
        )

    instance.create_run_for_job = create_run  # type: ignore[assignment, method-assign]


def execute_job(
    job: dg.JobDefinition,
    assets: Collection[dg.AssetKey],
    checks: Collection[dg.AssetCheckKey],
    instance: dg.DagsterInstance,
    config: Mapping[str, Any],
    tags: Mapping[str, str],
) -> dg.ExecuteInProcessResult:
    """Run some assets and checks of a job in this process; failures are in the result.

    `JobDefinition.execute_in_process` would copy the job for each run. The run would then belong to another job than
    that of the code location: the UI warns before re-executing it, and describing the copy takes 50 ms with 100 types.
    """
    selection = frozenset(assets)
    return core_execute_in_process(
        job=InMemoryJob(job.get_subset(asset_selection=selection, asset_check_selection=frozenset(checks))),
        run_config=config,
        instance=instance,
        output_capturing_enabled=False,
        raise_on_error=False,
        run_tags=tags,
        asset_selection=selection,
    )


def is_launched(run: dg.DagsterRun) -> bool:
    """Return whether a code server works on a run, rather than a command line or a test."""
    origin = run.remote_job_origin
    if origin is None:
        return False
    return not isinstance(origin.repository_origin.code_location_origin, RegisteredCodeLocationOrigin)


def list_outputs_once(context: dg.AssetExecutionContext) -> None:
    """Make a step list the keys of its assets once.

    Dagster lists them for each yielded asset, which takes a third of a run with a thousand event types.
    """
    step = context.get_step_execution_context()
    step.get_output_asset_keys = cache(step.get_output_asset_keys)


def log_no_unread_events(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> None:
    """Turn off the event log of a step without records: its events are neither stored nor shown.

    The run still has them. Logging one event takes two hundred function calls, and a run with a hundred event types has
    eight hundred events.
    """
    if not _has_records(context.instance):
        context.log.log_dagster_event = lambda *_arguments, **_more: None  # type: ignore[method-assign]


def take_connections_from(engine: Engine, storage: SqlEventLogStorage) -> None:
    """Make a PostgreSQL storage take connections from an engine instead of closing each one after use."""
    storage._engine = engine  # type: ignore[attr-defined]  # noqa: SLF001 - this module is where it is done


def client_of_code_server(launcher: DefaultRunLauncher, run: dg.DagsterRun) -> "DagsterGrpcClient | None":
    """Return a client of the code server that started a run; None if the run has ended or names no server."""
    client: DagsterGrpcClient | None = launcher._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]  # noqa: SLF001
    return client


def can_cancel(client: "DagsterGrpcClient", run: dg.DagsterRun, timeout: int) -> bool:
    """Ask a code server whether the process of a run is alive, for at most `timeout` seconds."""
    from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult  # noqa: PLC0415 - see CODE_SERVER

    answer: Any = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id), timeout=timeout)
    return bool(deserialize_value(answer, CanCancelExecutionResult).can_cancel)


@dataclass(frozen=True)
class CodeServer:
    """A code server in this process."""

    servicer: Any

    @contextmanager
    def without_runs(self) -> Iterator[bool]:
        """Yield whether no process of a run lives; none is started meanwhile."""
        with self.servicer._execution_lock:  # noqa: SLF001 - this module is where it is done
            yield not self.servicer._executions  # noqa: SLF001


def start_runs_with(context: BaseContext, before: Callable[[CodeServer], None]) -> None:
    """Have a code server in this process start runs with a context of multiprocessing, after a call of `before`."""
    from dagster._grpc.server import DagsterApiServer  # noqa: PLC0415 - see CODE_SERVER

    start_run = DagsterApiServer.StartRun

    def start_run_with_context(self: Any, request: Any, grpc_context: Any) -> Any:
        self._mp_ctx = context
        before(CodeServer(self))
        return start_run(self, request, grpc_context)

    DagsterApiServer.StartRun = start_run_with_context  # type: ignore[assignment, method-assign]

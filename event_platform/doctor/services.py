"""Checks of optional services: SQS queues, the Glue Data Catalog, PostgreSQL, a Dask cluster."""

import asyncio
import os
import pickle
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import URL, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from event_platform.doctor.finding import Finding, bad, good, skipped
from event_platform.environment import LOCAL_COMPUTE
from event_platform.events.errors import StorageError
from event_platform.events.wording import first_few
from event_platform.publishing.glue import open_glue
from event_platform.storage.aws import code_of, error_line
from event_platform.storage.queue import Queue
from event_platform.stream.filter.dead_letters import read_letter
from event_platform.stream.redeliveries import redeliveries_queue

#: Seconds to wait for a server.
_PATIENCE = 5

#: Seconds to wait for workers, which may have to import this package first.
_PATIENCE_WITH_WORKERS = 15

#: An error if less than this time is left until an unprocessed message expires.
_LEAST_LEFT = timedelta(days=3)

#: Number of workers in the message.
_SHOWN = 5


def check_queue(url: str | None) -> Finding:
    """Check that the queue of landed objects exists. No message is received."""
    name = "landing queue"
    if url is None:
        return skipped(name, "EVENT_PLATFORM_LANDING_QUEUE is not set: landing is listed every few seconds")
    try:
        state = Queue(url, "EVENT_PLATFORM_LANDING_QUEUE").state()
    except StorageError as error:
        return bad(name, error.fault, error.remedy)
    return good(name, f"{url}, with {state.waiting_messages} messages")


def check_redeliveries(url: str | None) -> Finding:
    """Check that messages of the queue can be received and deleted, come from the filter, and are not about to expire.

    A few messages are received, preferably old ones, and released at once. None is deleted.
    """
    name, queue = "redeliveries", redeliveries_queue(url)
    if queue is None:
        return skipped(name, "EVENT_PLATFORM_REDELIVERIES_QUEUE is not set: no filter of the stream is known")
    try:
        state, messages = queue.state(), queue.receive(hidden=0)
        queue.delete(["no message has this receipt"])
    except StorageError as error:
        return bad(name, error.fault, error.remedy)
    summary = f"{queue.url}, with {state.waiting_messages} messages"
    if faults := [fault for message in messages if (fault := _fault_of(message["Body"]))]:
        remedy = "it stays there: see who sends it, and whether the address is `redeliveries` of `terraform output`"
        return bad(name, f"{summary}, of which one is {faults[0]}", remedy)
    oldest = min((int(message["Attributes"]["SentTimestamp"]) / 1000 for message in messages), default=time.time())
    time_left = timedelta(seconds=oldest + state.retention_seconds - time.time())
    if time_left < _LEAST_LEFT:
        hours = max(round(time_left.total_seconds() / 3600), 0)
        remedy = "event-platform run takes them; see why runs of filtered_events fail, or whether sensors are off"
        return bad(name, f"{summary}, the first of which the queue deletes in {hours} hours", remedy)
    return good(name, summary)


def _fault_of(message: str) -> str:
    try:
        read_letter(message)
    except ValueError as error:
        return str(error)
    return ""


def check_glue(database: str | None) -> Finding:
    """Check that the database exists and its tables can be listed. Nothing is written."""
    name = "glue database"
    if database is None:
        return skipped(name, "EVENT_PLATFORM_GLUE_DATABASE is not set: tables are not registered for Athena")
    client = open_glue(database).client
    try:
        client.get_database(Name=database)
        tables = client.get_tables(DatabaseName=database, MaxResults=100)["TableList"]
    except (BotoCoreError, ClientError) as error:
        remedy = {
            "EntityNotFoundException": "create the database",
            "AccessDeniedException": "allow glue:GetDatabase, GetTables, CreateTable and UpdateTable on it",
        }
        return bad(
            name, f"{database}: {error_line(error)}", remedy.get(code_of(error), "check the network and AWS_REGION")
        )
    return good(name, f"{database}, with {len(tables)} tables{' or more' if len(tables) == 100 else ''}")  # noqa: PLR2004


def check_postgres(dagster_settings: Any) -> Finding:
    """Check that the PostgreSQL server in dagster.yaml answers, if one is set."""
    name, settings = "postgres", next(_postgres_in(dagster_settings), None)
    if settings is None:
        return skipped(name, "Dagster's records are not in PostgreSQL")
    missing = sorted(
        {value["env"] for value in settings.values() if isinstance(value, Mapping) and value["env"] not in os.environ}
    )
    if missing:
        return bad(name, f"{', '.join(missing)}: not set", "set the variables that dagster.yaml in DAGSTER_HOME uses")
    parameters = {
        key: os.environ[value["env"]] if isinstance(value, Mapping) else value for key, value in settings.items()
    }
    try:
        version = _version_of_postgres(parameters)
    except ModuleNotFoundError:
        return bad(name, "psycopg2 is not installed", "pip install 'event-platform[postgres]'")
    except (DBAPIError, ValueError) as error:
        cause = getattr(error, "orig", None) or error
        return bad(
            name,
            str(cause),
            "check DAGSTER_POSTGRES_*, the server, and whether it accepts connections from this machine",
        )
    return good(name, f"PostgreSQL {version} at {parameters.get('hostname')}, database {parameters.get('db_name')}")


def check_dask(compute: str) -> Finding:
    """Check that the scheduler answers and has workers, all with the versions of this process."""
    name = "dask"
    if compute == LOCAL_COMPUTE:
        return skipped(name, "tasks run on this machine")
    try:
        workers = asyncio.run(asyncio.wait_for(_workers_of(compute), _PATIENCE))
    except ModuleNotFoundError:
        return bad(name, "distributed is not installed", "pip install 'event-platform[dask]'")
    except OSError as error:  # including TimeoutError
        return bad(name, f"{compute}: no scheduler answers ({type(error).__name__})", "start one: dask scheduler")
    if not workers:
        return bad(name, f"{compute}: no workers", f"start some: dask worker {compute} --nworkers … --nthreads 1")
    return _check_versions_of_workers(compute, workers)


def _check_versions_of_workers(compute: str, workers: int) -> Finding:
    name = "dask"
    try:
        others = asyncio.run(asyncio.wait_for(_other_versions(compute), _PATIENCE_WITH_WORKERS))
    except OSError as error:
        message = f"{compute}: the workers do not report their versions ({type(error).__name__})"
        return bad(name, message, "check what they are busy with, and the network between the scheduler and them")
    if others:
        return bad(
            name,
            first_few(others, _SHOWN, separator="; "),
            "install the same release of event-platform on every machine, from its lock file",
        )
    return good(name, f"{compute}, with {workers} workers, all with the versions of this process")


async def _workers_of(compute: str) -> int:
    """Return the number of workers. A Dask client is not used, because it waits for ever for a silent server."""
    async with _scheduler(compute) as scheduler:
        return len((await scheduler.identity(n_workers=-1))["workers"])


async def _other_versions(compute: str) -> list[str]:
    """Return a message for each worker whose versions differ from this process's or are not known."""
    from event_platform.compute.dask import differences, versions  # noqa: PLC0415 - an extra, which takes a second

    async with _scheduler(compute) as scheduler:
        question = {"op": "run", "function": pickle.dumps(versions)}
        answers: Mapping[str, Any] = await scheduler.broadcast(msg=question, on_error="return_pickle")
    differing = []
    for worker, answer in sorted(answers.items()):
        # An exception of a worker that cannot be unpickled means that this package is missing there.
        reported = answer["result"] if isinstance(answer, Mapping) and answer.get("status") == "OK" else None
        if reported is None:
            differing.append(f"the worker {worker} has no event-platform, or another release")
        elif others := differences(reported, versions()):
            differing.append(f"the worker {worker} has {', '.join(others)}")
    return differing


def _scheduler(compute: str) -> Any:
    """Return a connection to a scheduler, which the caller opens."""
    from distributed.core import rpc  # noqa: PLC0415 - an extra, which takes a second
    from distributed.security import Security  # noqa: PLC0415

    return rpc(compute, connection_args=Security().get_connection_args("client"))


def _version_of_postgres(parameters: Mapping[str, Any]) -> str:
    address = URL.create(
        "postgresql+psycopg2",
        username=parameters.get("username"),
        password=parameters.get("password"),
        host=parameters.get("hostname"),
        port=int(parameters.get("port", 5432)),
        database=parameters.get("db_name"),
    )
    engine = create_engine(address, poolclass=NullPool, connect_args={"connect_timeout": _PATIENCE})
    with engine.connect() as connection:
        return str(connection.execute(text("show server_version")).scalar_one())


def names_postgres(dagster_settings: Any) -> bool:
    """Return whether dagster.yaml stores Dagster's records in PostgreSQL."""
    return next(_postgres_in(dagster_settings), None) is not None


def _postgres_in(settings: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every `postgres_db` of dagster.yaml: `storage: postgres:` or the configuration of one of the three."""
    for key, value in settings.items() if isinstance(settings, Mapping) else ():
        if key == "postgres_db" and isinstance(value, Mapping):
            yield value
        else:
            yield from _postgres_in(value)

"""The private names of Dagster, their users, and what to do when one disappears."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import event_platform
from event_platform.defs.instance import dagster_internals

PACKAGE = Path(event_platform.__file__).parent
HERE = Path(dagster_internals.__file__)

_LOG = "the event logs of event_log.py and event_log_postgres.py"
_NAMES_IT = "Look where Dagster's own storages take it from, and take it from there"
_LAUNCHER = "operations/launcher.py, by which a run is ended whose process and code server were killed"
_WARM = (
    "warm_runs.py has code servers fork runs, and ends the fork server when none is left; without it each run imports "
    "Dagster anew, which takes two seconds of CPU."
)
_NAMED = "Runs of the command line name the code location of their job, for the UI to re-execute them."
_PART = (
    "Runs of the command line are of the code location's job, not of a copy, so that the UI does not warn. "
    "JobDefinition.execute_in_process says what it calls now; or call that itself, with the warning."
)
_BACKFILLS = "Sensors ask for no day that a backfill is about to write: operations/under_way.py."

#: By `module:name`, or `module:class.attribute`: what depends on it, and what to do when it goes.
DEPENDS = {
    "dagster._core.definitions.freshness:FreshnessState": "Alerts of assets that are late. Dagster has the states in "
    "instance.get_freshness_state_records: take their class from there, or compare their values.",
    "dagster._core.errors:DagsterUserCodeUnreachableError": f"It tells {_LAUNCHER} that the server is gone. See what "
    "its client raises now.",
    "dagster._core.event_api:EventHandlerFn": f"A type in {_LOG}; Callable[[EventLogEntry, str], None] says the same.",
    "dagster._core.execution.backfill:BulkActionStatus": f"{_BACKFILLS} Take what `get_backfills` filters by now.",
    "dagster._core.execution.backfill:BulkActionsFilter": f"{_BACKFILLS} Take what `get_backfills` filters by now.",
    "dagster._core.execution.backfill:PartitionBackfill": f"{_BACKFILLS} Take what `get_backfills` returns now.",
    "dagster._core.definitions.job_base:InMemoryJob": _PART,
    "dagster._core.execution.execute_in_process:core_execute_in_process": _PART,
    "dagster._core.launcher:CheckRunHealthResult": f"What {_LAUNCHER}, returns to run monitoring. See what it expects.",
    "dagster._core.launcher:DefaultRunLauncher": f"The base of {_LAUNCHER}. It is in the documentation as the default "
    "launcher: import it from where dagster.yaml names it.",
    "dagster._core.launcher:WorkerStatus": f"What {_LAUNCHER}, returns to run monitoring. See what it expects.",
    "dagster._core.remote_origin:RegisteredCodeLocationOrigin": f"{_NAMED} A launched run has another origin. See what "
    "class has the name of a code location alone now.",
    "dagster._core.remote_origin:RemoteRepositoryOrigin": f"{_NAMED} See what class that of a launched run is.",
    "dagster._core.snap:snapshot_from_execution_plan": f"{_NAMED} Their plan, as DagsterInstance.create_run takes it. "
    "See what create_run_for_job passes now; or call that, which stores the whole job as well.",
    "dagster._core.storage.event_log:ConsolidatedSqliteEventLogStorage": "The base of SqliteEventLog; it says itself "
    "that it is for tests. See docs/explanation/decisions/5-the-event-log-is-kept-open.md for what to do without it.",
    "dagster._core.storage.event_log:InMemoryEventLogStorage": "The base of the event log of runs without records. "
    "Take what DagsterInstance.ephemeral() has now, or that instance as it is: it costs 3 ms more for each event.",
    "dagster:DagsterInstance._event_storage": "Runs without records put an event log there that keeps nothing. Without "
    "that, as above.",
    "dagster._core.storage.event_log:in_memory": "Runs without records note no version of their tables in memory, "
    "which takes 20 ms for each storage. See what takes the time of DagsterInstance.ephemeral() now, or leave it.",
    "dagster._core.storage.runs:in_memory": "The same, for the storage of runs.",
    "dagster._core.storage.event_log:SqlEventLogStorage": f"The base of {_LOG}. {_NAMES_IT}.",
    "dagster._core.storage.event_log:SqlPollingEventWatcher": "SqliteEventLog shows events in the UI as they come by "
    "polling. PostgresEventLogStorage does so as well: take what it uses.",
    "dagster._core.storage.event_log.schema:SqlEventLogStorageMetadata": "SqliteEventLog makes tables that are missing "
    f"because their maker was killed. {_NAMES_IT}, or leave that to whoever deletes the file.",
    "dagster._core.storage.runs:SqliteRunStorage": "The base of the class in sqlite_storage.py, by which processes "
    "open an empty DAGSTER_HOME one at a time. See whether Dagster does so by itself; if not, wrap its new class.",
    "dagster._core.storage.schedules:SqliteScheduleStorage": "The same as SqliteRunStorage, for schedules.",
    "dagster._core.storage.sqlite:SQLITE_BUSY_TIMEOUT_SECONDS": "Seconds that SqliteEventLog waits for another writer: "
    "30 will do.",
    "dagster._grpc.client:DagsterGrpcClient": f"A type in {_LAUNCHER}. Take what the launcher's own client is now.",
    "dagster._grpc.server:DagsterApiServer": f"{_WARM} See what serves a code location now.",
    "dagster._grpc.types:CanCancelExecutionRequest": f"The question of {_LAUNCHER}. DefaultRunLauncher.terminate asks "
    "a code server as well: ask as it does.",
    "dagster._grpc.types:CanCancelExecutionResult": "The answer to CanCancelExecutionRequest.",
    "dagster._serdes:ConfigurableClassData": "What every class gets that dagster.yaml names; a type alone. "
    f"{_NAMES_IT}.",
    "dagster._serdes:deserialize_value": "Reads the answer to CanCancelExecutionRequest.",
    "dagster._core.storage.event_log:ConsolidatedSqliteEventLogStorage._connect": "SqliteEventLog keeps its connection "
    "because Dagster takes each from here. If it takes them elsewhere, hand them out there: without that each event "
    "costs eight times the CPU (docs/explanation/decisions/5-the-event-log-is-kept-open.md).",
    "dagster._core.storage.event_log:ConsolidatedSqliteEventLogStorage._init_db": "Makes the tables of a log whose "
    "maker was killed. SqlEventLogStorageMetadata.create_all makes them as well.",
    "dagster._core.launcher:DefaultRunLauncher._get_grpc_client_for_termination": f"The way of {_LAUNCHER} to the code "
    "server of a run. DefaultRunLauncher.terminate goes it as well: go as it does.",
    "dagster._grpc.server:DagsterApiServer._mp_ctx": f"{_WARM} See with what it starts the process of a run now.",
    "dagster._grpc.server:DagsterApiServer._executions": f"{_WARM} Ask which live elsewhere, or keep the server.",
    "dagster._grpc.server:DagsterApiServer._execution_lock": f"{_WARM} As above.",
    "dagster_postgres:PostgresEventLogStorage._engine": "PostgresEventLog puts an engine in its place that keeps "
    "connections. See where the parent takes connections from; without that each event costs eight times the CPU.",
}


@pytest.mark.parametrize("name", DEPENDS)
def test_what_is_used_is_there(name: str) -> None:
    """If a name is missing, this says what depends on it, and what to do."""
    module, _, path = name.partition(":")
    owner, _, attribute = path.partition(".")
    try:
        found = getattr(importlib.import_module(module), owner)
        is_set = re.compile(rf"self\.{attribute}(: .+)? = ")
        assert not attribute or hasattr(found, attribute) or is_set.search(inspect.getsource(found))
    except (ImportError, AttributeError, AssertionError) as error:
        pytest.fail(f"{name} is gone from Dagster ({error}). {DEPENDS[name]}")


def test_each_name_that_is_used_is_in_the_table() -> None:
    """And none that is not."""
    tree = parsed(HERE)
    imported = {f"{module}:{name}" for module, name in imports_of(tree) if is_private(module, name)}
    assert imported == {name for name in DEPENDS if "." not in name.partition(":")[2]}
    accessed = {f".{node.attr}" for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_hidden(node.attr)}
    assert accessed == {f".{name.rpartition('.')[2]}" for name in DEPENDS if "." in name.partition(":")[2]}


def test_no_other_module_imports_a_private_name_of_dagster() -> None:
    """Nor names one in a text, as a class may be loaded by its name."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        if path != HERE:
            tree = parsed(path)
            found += [f"{path.name}: {module} {name}" for module, name in imports_of(tree) if is_private(module, name)]
            found += [f"{path.name}: {text}" for text in texts_of(tree) if re.search(r"\bdagster\w*(\.\w+)*\._", text)]
    assert found == []


def test_no_other_class_uses_a_private_name_of_its_base_in_dagster() -> None:
    """Neither overrides, sets nor calls one. Of objects that are not `self`, the linter tells (SLF001)."""
    found = [
        f"{kind.__qualname__}.{name} is of {base.__qualname__}"
        for path in PACKAGE.rglob("*.py")
        if path != HERE and "dagster" in path.read_text(encoding="utf-8")
        for kind, node in classes_of(path)
        for base in kind.__mro__
        if base.__module__.startswith("dagster")
        for name in hidden_names_in(node)
        if name in vars(base) or re.search(rf"self\.{name}\b", inspect.getsource(base))
    ]
    assert found == []


def parsed(path: Path) -> ast.Module:
    """Return the syntax of a module."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield (module, name) for each import; the name is empty where a module is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", name.name) for name in node.names)
        elif isinstance(node, ast.Import):
            yield from ((name.name, "") for name in node.names)


def texts_of(tree: ast.Module) -> Iterator[str]:
    """Yield the texts in a module, docstrings among them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def is_private(module: str, name: str) -> bool:
    """Say whether an import is of a name that Dagster, or a library of its, does not promise."""
    return module.startswith("dagster") and any(map(is_hidden, [*module.split("."), name]))


def is_hidden(name: str) -> bool:
    """Say whether a name begins with an underscore, and is none of Python's own."""
    return name.startswith("_") and not name.startswith("__")


def classes_of(path: Path) -> Iterator[tuple[type, ast.ClassDef]]:
    """Yield the classes of a module with their syntax."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    module: ModuleType = importlib.import_module(".".join(part for part in parts if part != "__init__"))
    for node in parsed(path).body:
        if isinstance(node, ast.ClassDef):
            yield getattr(module, node.name), node


def hidden_names_in(node: ast.ClassDef) -> set[str]:
    """Return the hidden names that a class defines, or reaches by `self`, `cls` or `super()`."""
    names = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    names |= {
        each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute) and ast.unparse(each.value) in {"self", "cls", "super()"}
    }
    return set(filter(is_hidden, names))

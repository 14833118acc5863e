"""The platform as people run it: Dagster's webserver and daemon, in a world, with nothing else at work."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from bench.local_servers import free_port
from event_platform_tests.support.command import all_end, beside_python, processes_with

PROJECT = Path(__file__).parents[2]
_ENDED = {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "CANCELED", "FAILED", "COMPLETED"}


@dataclass
class Live:
    """A running instance. `home` is in the environment of each of its processes, and of no other."""

    home: Path
    variables: Mapping[str, str]
    port: int
    started: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The address of the UI."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, program: str) -> None:
        """Start `dagster-webserver` or `dagster-daemon`; what it prints goes to a file in `home`."""
        options = ["run"] if program == "dagster-daemon" else ["-h", "127.0.0.1", "-p", str(self.port)]
        with (self.home / f"{program}.log").open("ab") as log:
            self.started[program] = subprocess.Popen(
                [beside_python(program), *options, "-w", PROJECT / "workspace.yaml"],
                env=self.variables,
                cwd=PROJECT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def ask(self, query: str, **variables: Any) -> Any:
        """Return the answer to a GraphQL query: its only field."""
        request = urllib.request.Request(  # noqa: S310 - always our own http address
            f"{self.url}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            answer = json.load(error)
        assert not answer.get("errors"), answer["errors"]
        (found,) = answer["data"].values()
        return found

    def is_serving(self) -> bool:
        """Say whether the webserver answers and has loaded the code."""
        with suppress(OSError):
            return bool(self.ask("{ assetNodes { id } }"))
        return False

    def run_workers(self) -> list[int]:
        """Return the processes that work on runs: code servers have them forked by a server each."""
        every = processes_with(str(self.home))
        servers = {each for each in every if b"forkserver" in _command(each) and b"grpc" in _command(_parent(each))}
        return [process for process in every if _parent(process) in servers]

    def code_servers_of_the_daemon(self) -> list[int]:
        """Return the daemon's own code servers."""
        daemon = self.started["dagster-daemon"].pid
        return [process for process in processes_with(str(self.home)) if _parent(process) == daemon]

    def log(self) -> str:
        """Return the end of what the programs have printed."""
        return "\n".join(path.read_text(errors="replace")[-5000:] for path in self.home.glob("*.log"))


@contextmanager
def live(
    root: Path, variables: Mapping[str, str], *, sensors: bool = True, watchful: bool = False, daemon: bool = True
) -> Iterator[Live]:
    """Run the webserver and the daemon below `root`, with the project's own dagster.yaml; end all of it afterwards.

    With `watchful`, run monitoring finds sooner what was killed than it does in the project. Without `daemon`, only the
    webserver runs: for what is just looked at.
    """
    home = root / "dagster_home"
    home.mkdir()
    configuration = yaml.safe_load((PROJECT / ".dagster" / "dagster.yaml").read_text(encoding="utf-8"))
    if watchful:
        configuration["run_monitoring"].update(poll_interval_seconds=1, start_timeout_seconds=30)
    (home / "dagster.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    settings = {**variables, "DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    instance = Live(home, settings, free_port())
    try:
        # One after the other: on a busy machine Dagster fails where two processes make its databases at once.
        instance.start("dagster-webserver")
        until(instance.is_serving, "the webserver serves", instance, pause=1)
        if not sensors:
            switch_automation_off(instance)
        if daemon:
            instance.start("dagster-daemon")
        yield instance
    finally:
        end(instance)


def until(condition: Callable[[], object], what: str, instance: Live, seconds: float = 900, pause: float = 3) -> float:
    """Wait for a condition to hold; return the seconds it took. Raises AssertionError with the programs' logs.

    It waits for far longer than anything takes: whatever else the machine does, a test only fails for a reason.
    """
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}\n{instance.log()}"
        time.sleep(pause)  # seconds, since each look costs this process and the one that it asks some hundredths of one
    return time.monotonic() - began


_INSTIGATORS = """{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name }
    sensors { name sensorState { id selectorId } } schedules { name scheduleState { id selectorId } } } } } }"""
_STOP_SENSOR = """mutation ($id: String!) { stopSensor(id: $id) { __typename } }"""
_STOP_SCHEDULE = """mutation ($id: String!) { stopRunningSchedule(id: $id) { __typename } }"""
_START_SENSOR = """mutation ($selector: SensorSelector!) { startSensor(sensorSelector: $selector) { __typename } }"""


def switch_automation_off(instance: Live) -> None:
    """Stop sensors and schedules, so that only what a test launches is run."""
    (repository,) = instance.ask(_INSTIGATORS)["nodes"]
    for sensor in repository["sensors"]:
        assert instance.ask(_STOP_SENSOR, id=sensor["sensorState"]["id"])["__typename"] == "StopSensorMutationResult"
    for schedule in repository["schedules"]:
        stopped = instance.ask(_STOP_SCHEDULE, id=schedule["scheduleState"]["id"])
        assert stopped["__typename"] == "ScheduleStateResult"


def switch_sensor_on(instance: Live, name: str) -> None:
    """Start a sensor."""
    (repository,) = instance.ask(_INSTIGATORS)["nodes"]
    selector = {
        "repositoryName": repository["name"],
        "repositoryLocationName": repository["location"]["name"],
        "sensorName": name,
    }
    assert instance.ask(_START_SENSOR, selector=selector)["__typename"] == "Sensor"


_LAUNCH = """mutation ($parameters: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $parameters) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
    ... on PartitionKeysNotFoundError { message } } }"""
_STATUS = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) { __typename
    ... on PartitionBackfill { status numPartitions error { message } runs: cancelableRuns { runId } } } }"""
_CANCEL = """mutation ($id: String!) { cancelPartitionBackfill(backfillId: $id) { __typename } }"""

_RUNS_OF = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { runs(limit: 1000) { tags { key value } } } } }"""
_FAILED = """{ runsOrError(filter: {statuses: [FAILURE]}) { ... on Runs { results { runId } } } }"""
_STATS = """{ assetNodes { assetKey { path } partitionStats { numMaterialized numFailed numMaterializing } } }"""
_MATERIALIZATIONS = """query ($key: AssetKeyInput!, $partitions: [String!]) { assetNodeOrError(assetKey: $key) {
    ... on AssetNode { latestMaterializationByPartition(partitions: $partitions) { partition metadataEntries {
    label ... on IntMetadataEntry { intValue } } } } } }"""
_CHECKS = """query ($key: AssetKeyInput!, $check: String!) {
    assetCheckExecutions(assetKey: $key, checkName: $check, limit: 1000) { status partition } }"""


def launch(instance: Live, assets: Sequence[str], days: Sequence[date]) -> Any:
    """Ask for a backfill of assets (by key, such as `events/lesson_started`) over days; return the answer."""
    parameters = {
        "assetSelection": [{"path": asset.split("/")} for asset in assets],
        "partitionNames": [day.isoformat() for day in days],
    }
    return instance.ask(_LAUNCH, parameters=parameters)


def backfill_status(instance: Live, backfill: str) -> str:
    """Return the status of a backfill."""
    return str(instance.ask(_STATUS, id=backfill)["status"])


def has_ended(instance: Live, backfill: str) -> bool:
    """Say whether nothing is left to do for a backfill."""
    return backfill_status(instance, backfill) in _ENDED


def ended(instance: Live, backfill: str) -> str:
    """Wait for a backfill to end and return its status. The daemon looks at backfills every half minute."""
    until(lambda: has_ended(instance, backfill), "the backfill ends", instance)
    return backfill_status(instance, backfill)


def cancel(instance: Live, backfill: str) -> None:
    """Cancel a backfill and wait for its end."""
    assert instance.ask(_CANCEL, id=backfill)["__typename"] == "CancelBackfillSuccess"
    assert ended(instance, backfill) == "CANCELED"


def runs_of(instance: Live, backfill: str) -> list[dict[str, str]]:
    """Return the tags of the runs of a backfill."""
    runs = instance.ask(_RUNS_OF, id=backfill)["runs"]
    return [{tag["key"]: tag["value"] for tag in run["tags"]} for run in runs]


def failed_runs(instance: Live) -> list[str]:
    """Return the runs that failed."""
    return [run["runId"] for run in instance.ask(_FAILED)["results"]]


def partition_stats(instance: Live) -> dict[str, dict[str, int]]:
    """Return how many partitions of each asset are materialized, failed or at work."""
    return {"/".join(node["assetKey"]["path"]): node["partitionStats"] for node in instance.ask(_STATS)}


def materialized_rows(instance: Live, asset: str, days: Sequence[date]) -> dict[date, int]:
    """Return the rows that the latest materialization of each day tells."""
    names = [day.isoformat() for day in days]
    node = instance.ask(_MATERIALIZATIONS, key={"path": asset.split("/")}, partitions=names)
    return {
        date.fromisoformat(found["partition"]): entry["intValue"]
        for found in node["latestMaterializationByPartition"]
        if found is not None
        for entry in found["metadataEntries"]
        if entry["label"] == "dagster/partition_row_count"
    }


def check_results(instance: Live, asset: str, check: str) -> dict[date, bool]:
    """Return whether a check passed, for each day that it was evaluated on; the last time counts."""
    found = instance.ask(_CHECKS, key={"path": asset.split("/")}, check=check)
    return {
        date.fromisoformat(each["partition"]): each["status"] == "SUCCEEDED"
        for each in reversed(found)  # the newest come first
    }


def days_from(first: date, count: int) -> list[date]:
    """Return `count` days, from `first` on."""
    return [first + timedelta(days=number) for number in range(count)]


def end(instance: Live) -> None:
    """End everything that was started: first politely, for it to end what it started itself."""
    for process in instance.started.values():
        process.terminate()
    while not all_end(str(instance.home), seconds=5):  # one may have started another since they were listed
        for process_id in processes_with(str(instance.home)):
            with suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
    for process in instance.started.values():
        process.wait()


def _command(process: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def _parent(process: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    return 0

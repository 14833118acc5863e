"""A run launcher that notices when the process of a run has died. `dagster.yaml` names it.

Dagster's default launcher relies on the code server to notice a killed process. If the server is killed as well, as by
a restart of the machine, the run stays "started" for ever, and everything that waits for it as well.
"""

import dagster as dg

from event_platform.defs.instance.dagster_internals import (
    CheckRunHealthResult,
    DagsterUserCodeUnreachableError,
    DefaultRunLauncher,
    WorkerStatus,
    can_cancel,
    client_of_code_server,
    is_launched,
)

_SECONDS_TO_ANSWER = 60


class WatchfulRunLauncher(DefaultRunLauncher):
    """Launches runs as Dagster does by default, and checks whether their processes are alive."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Say that run monitoring can ask."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Ask the code server that started the run whether its process is alive."""
        if not is_launched(run):  # monitoring would end what works at somebody's terminal
            return CheckRunHealthResult(WorkerStatus.RUNNING, "no code server has started the run")
        client = client_of_code_server(self, run)
        if client is None:
            return CheckRunHealthResult(WorkerStatus.UNKNOWN, "the run has ended, or names no code server")
        try:
            lives = can_cancel(client, run, _SECONDS_TO_ANSWER)
        except DagsterUserCodeUnreachableError:
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the code server that started the run is gone")
        if lives:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the process of the run is gone")

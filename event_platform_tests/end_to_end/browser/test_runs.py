"""The UI knows the runs of the command line by their code location, and can re-execute them."""

from pathlib import Path

from playwright.sync_api import Page, expect

from event_platform.definitions import JOB
from event_platform_tests.end_to_end.browser.conftest import NEEDS_BROWSER, Desk, follow

pytestmark = NEEDS_BROWSER

_RUNS = """{ runsOrError { ... on Runs { results { runId pipelineName parentPipelineSnapshotId
    repositoryOrigin { repositoryName repositoryLocationName } } } } }"""
_REPOSITORIES = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
    name location { name } pipelines { name pipelineSnapshotId } } } } }"""
_AGAIN = """mutation ($id: String!) { launchRunReexecution(reexecutionParams: {parentRunId: $id, strategy: ALL_STEPS}) {
    __typename ... on PythonError { message } ... on LaunchRunSuccess { run { runId parentRunId } } } }"""
_DELETE = """mutation ($id: String!) { deletePipelineRun(runId: $id) { __typename } }"""


def test_the_first_page_shows_the_runs_of_the_command_line(ui: Page, tmp_path: Path) -> None:
    """By the name of the code location's job."""
    follow(ui, "")
    expect(ui.locator(f"a[href$='/jobs/{JOB}']").first).to_be_visible()
    ui.screenshot(path=tmp_path / "first.png")
    assert not ui.get_by_text("Jobless asset materializations").is_visible()


def test_a_run_of_the_command_line_can_be_executed_again(desk: Desk) -> None:
    """Its job has the fingerprint that the webserver has loaded; otherwise the button shows a warning."""
    (repository,) = desk.instance.ask(_REPOSITORIES)["nodes"]
    runs = desk.instance.ask(_RUNS)["results"]
    named = {"repositoryName": repository["name"], "repositoryLocationName": repository["location"]["name"]}
    assert [(run["pipelineName"], run["repositoryOrigin"]) for run in runs] == [(JOB, named)] * len(runs)
    loaded = {pipeline["name"]: pipeline["pipelineSnapshotId"] for pipeline in repository["pipelines"]}
    assert {run["parentPipelineSnapshotId"] for run in runs} == {loaded[JOB]}
    again = desk.instance.ask(_AGAIN, id=runs[-1]["runId"])
    assert again["__typename"] == "LaunchRunSuccess", again
    assert again["run"]["parentRunId"] == runs[-1]["runId"]
    # It waits for the daemon, which does not run here, and would be shown as under way.
    assert desk.instance.ask(_DELETE, id=again["run"]["runId"])["__typename"] == "DeletePipelineRunSuccess"

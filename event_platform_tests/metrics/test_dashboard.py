"""The dashboard and the alert rules: every expression is PromQL, about metrics and labels that a scrape has."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import dagster as dg
import promql_parser
import pytest
import yaml

from event_platform.metrics.gauges import Gauge
from event_platform_tests.metrics.conftest import Built, scrape
from event_platform_tests.support.live import PROJECT

pytestmark = pytest.mark.xdist_group("metrics")

DASHBOARD = json.loads((PROJECT / "deploy" / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
RULES = yaml.safe_load((PROJECT / "deploy" / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

PROMTOOL = shutil.which("promtool")

#: Labels that Prometheus adds to whatever it scrapes, and the metric that it adds itself.
ADDED = {"instance", "job"}
OF_PROMETHEUS = {"up"}

#: Only where sensors have ticked, checks have failed within a week, or a catalog of Iceberg or the queue of a filter is
#: set: other tests see them.
NOT_SCRAPED = {
    each.value for each in (Gauge.TICK, Gauge.TICK_FAILED, Gauge.FAILED_CHECKS, Gauge.BEHIND, Gauge.FILTERED)
}


def expressions() -> Iterator[tuple[str, str]]:
    """Yield each expression with what it is of."""
    yield from ((alert["alert"], alert["expr"]) for alert in ALERTS)
    for panel in PANELS:
        yield from ((panel["title"], target["expr"]) for target in panel["targets"])


def selectors(expression: str) -> list[Any]:
    """Return the vector selectors in an expression. Raises ValueError for what is no PromQL."""
    found = []

    def visit(node: Any) -> None:
        found.extend([node] if isinstance(node, promql_parser.VectorSelector) else [])

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


@pytest.fixture(scope="module")
def labels(built: Built) -> dict[str, dict[str, set[str]]]:
    """The values of each label of each metric, in a scrape."""
    samples = scrape(built.world, built.home).labels
    return samples | {metric.name: {name: set() for name in metric.labels} for metric in NOT_SCRAPED}


@pytest.mark.parametrize(("name", "expression"), expressions(), ids=lambda value: value.partition(" ")[0])
def test_an_expression_is_about_metrics_and_labels_of_a_scrape(
    name: str, expression: str, labels: dict[str, dict[str, set[str]]]
) -> None:
    """And the values that it asks for are there: a name that is misspelt would be an alert that never fires."""
    statuses = {status.value.lower() for status in dg.DagsterRunStatus}
    every = selectors(expression)
    assert every, name
    for selector in every:
        if selector.name in OF_PROMETHEUS:
            continue
        assert selector.name in labels, name
        for matcher in selector.matchers.matchers:
            assert matcher.name in {*labels[selector.name], *ADDED}
            if matcher.name in labels[selector.name]:
                known = labels[selector.name][matcher.name] | (statuses if matcher.name == "status" else set())
                pattern = re.escape(matcher.value) if matcher.op == promql_parser.MatchOp.Equal else matcher.value
                assert any(re.fullmatch(pattern, value) for value in known), f"{name}: {matcher.value}"


def test_no_expression_is_misspelt_unseen() -> None:
    """What the test above would say of a wrong name and of a wrong query."""
    (selector,) = selectors("sum(rate(event_platform_landed[5m]))")
    assert selector.name == "event_platform_landed"
    with pytest.raises(ValueError, match="unclosed"):
        selectors("sum(event_platform_up")


def test_every_metric_is_in_the_dashboard_or_an_alert() -> None:
    """Nothing is exposed that nobody looks at."""
    used = {selector.name for _, expression in expressions() for selector in selectors(expression)}
    unused = {gauge.value.name for gauge in Gauge} - used
    assert unused == {
        "event_platform_sound_records",  # deduplicated + duplicates; for queries of one's own
        "event_platform_typed_events",
        "event_platform_table_files",
        "event_platform_left_out_objects",
    }


def test_the_dashboard_has_the_form_that_grafana_imports() -> None:
    """Each panel with its own id and its own space, in 24 columns, and of the data source that is chosen there."""
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time"} <= DASHBOARD.keys()
    assert "id" not in DASHBOARD  # of the Grafana that it was exported from
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    for panel in DASHBOARD["panels"]:
        box = panel["gridPos"]
        assert 0 <= box["x"] < box["x"] + box["w"] <= 24
    for one, other in combinations((panel["gridPos"] for panel in DASHBOARD["panels"]), 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    for panel in PANELS:
        assert panel["type"] in {"stat", "timeseries", "bargauge"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in [panel, *panel["targets"]]:
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD)))
    assert used == variables


@pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool; Prometheus has it")
def test_each_alert_fires_when_it_has_to() -> None:
    """And is silent while all is well."""
    command = [str(PROMTOOL), "test", "rules", f"{PROJECT}/deploy/prometheus/alerts_test.yaml"]
    tested = subprocess.run(command, capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_an_alert_says_what_to_do() -> None:
    """How bad it is, what it means, and where to read on: pages and sections that exist."""
    assert len({alert["alert"] for alert in ALERTS}) == len(ALERTS)
    for alert in ALERTS:
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert alert["for"]
        assert {"summary", "description"} <= alert["annotations"].keys()
        page, _, anchor = alert["annotations"].get("runbook", "docs/runbook.md").partition("#")
        assert not anchor or anchor in _anchors(PROJECT / page), alert["alert"]
        assert (PROJECT / page).exists()


def _anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}

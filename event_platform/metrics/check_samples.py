"""Samples of the checks that are not blocking: on how many days of the last week each has failed."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta

from event_platform.checks.thresholds import Thresholds
from event_platform.events.catalog import Catalog
from event_platform.lake.lake import Lake
from event_platform.metrics.gauges import Gauge, Sample
from event_platform.pipeline.reporting.findings import lake_findings

_DAYS = 7


def check_samples(lake: Lake, catalog: Catalog, thresholds: Thresholds, start: date, today: date) -> Iterator[Sample]:
    """Yield a sample for each failed check. Raises the errors of reading tables."""
    days = {today - timedelta(days=number) for number in range(_DAYS)}
    findings = lake_findings(lake, catalog, thresholds, days, start, today)
    failed = Counter(
        (finding.result.severity, finding.asset, finding.check) for finding in findings if not finding.result.passed
    )
    yield from (Sample(Gauge.FAILED_CHECKS, count, labels) for labels, count in failed.items())

"""The collector that Prometheus' library calls at each scrape. Unreadable sources are absent, and logged once."""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import cache, cached_property
from threading import Lock

import dagster as dg
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from event_platform.checks.thresholds import Thresholds
from event_platform.defs.instance.opening import open_instance
from event_platform.environment import Environment
from event_platform.events.catalog import Catalog
from event_platform.events.errors import raise_panics_as_errors
from event_platform.lake.pinned_lake import PinnedLake
from event_platform.metrics.check_samples import check_samples
from event_platform.metrics.gauges import Gauge, Sample, Samples
from event_platform.metrics.iceberg_samples import iceberg_samples
from event_platform.metrics.lake_samples import lake_samples, landing_samples
from event_platform.metrics.run_samples import run_samples
from event_platform.pipeline.opening import open_lake, open_landing
from event_platform.pipeline.publication import open_iceberg_catalog
from event_platform.publishing.iceberg import IcebergCatalog
from event_platform.quality.text import shown
from event_platform.storage.polars_errors import translate_errors

LOG = logging.getLogger(__name__)

#: Seconds for which a scrape reuses the previous samples: two servers that scrape cost as much as one.
_CACHE_SECONDS = 10.0

_LENGTH = 1_000


class PlatformCollector(Collector):
    """Reads the lake, landing, checks and Dagster's records, at most every ten seconds."""

    def __init__(self, environment: Environment, catalog: Catalog, thresholds: Thresholds, home: str | None) -> None:
        """Open nothing yet. `home` is DAGSTER_HOME; without it, there are no metrics of runs."""
        self._environment, self._catalog, self._home = environment, catalog, home
        self._thresholds = thresholds
        self._instance: dg.DagsterInstance | None = None
        self._reading = Lock()  # scrapes come side by side
        self._samples: list[Sample] = []
        self._read_at: float | None = None
        self._faults: dict[str, str] = {}

    def describe(self) -> Iterator[Metric]:
        """Yield nothing, so that registering the collector costs no scrape."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Yield each metric that has samples; see prometheus_client."""
        with self._reading:
            if self._read_at is None or time.monotonic() - self._read_at > _CACHE_SECONDS:
                self._samples = list(self._read_sources())
                self._read_at = time.monotonic()
            samples = self._samples
        for gauge in Gauge:
            family = GaugeMetricFamily(gauge.value.name, gauge.value.meaning, labels=gauge.value.labels)
            for sample in samples:
                if sample.gauge is gauge:
                    family.add_metric(sample.labels, sample.value)
            if family.samples:
                yield family

    def _read_sources(self) -> Iterator[Sample]:
        today = datetime.now(UTC).date()

        @cache
        def lake() -> PinnedLake:
            return PinnedLake(open_lake(self._environment.lake).storage)

        yield from self._read("lake", lambda: lake_samples(lake(), self._catalog, self._environment))
        yield from self._read("landing", lambda: self._landing(lake(), today))
        yield from self._read("checks", lambda: self._checks(lake(), today))
        if self._environment.iceberg:
            yield from self._read("iceberg", lambda: iceberg_samples(self._iceberg, lake(), self._catalog))
        if self._home:
            yield from self._read("dagster", lambda: run_samples(self._open_instance()))

    def _checks(self, lake: PinnedLake, today: date) -> Iterator[Sample]:
        return check_samples(lake, self._catalog, self._thresholds, self._environment.start_date, today)

    def _landing(self, lake: PinnedLake, today: date) -> Samples:
        environment = self._environment
        landing = open_landing(environment.landing, environment.landing_timezone)
        return landing_samples(lake, landing, environment.start_date, today)

    @cached_property
    def _iceberg(self) -> IcebergCatalog:
        return open_iceberg_catalog(self._environment, open_lake(self._environment.lake))

    def _open_instance(self) -> dg.DagsterInstance:
        if self._instance is None:
            self._instance = open_instance(self._home, self._environment.lake)
        return self._instance

    def _read(self, source: str, read: Callable[[], Samples]) -> Iterator[Sample]:
        """Yield the samples of a source, the duration of reading it, and whether that succeeded."""
        began, samples, fault = time.perf_counter(), list[Sample](), ""
        try:
            with translate_errors(), raise_panics_as_errors():
                samples = list(read())
        except Exception as error:  # noqa: BLE001 - a scrape reports what it can: that this cannot be read is a metric
            fault = shown(" ".join(str(error).split()) or type(error).__name__, _LENGTH)
        self._log(source, fault)
        yield Sample(Gauge.UP, not fault, (source,))
        yield Sample(Gauge.SCRAPE, time.perf_counter() - began, (source,))
        yield from samples

    def _log(self, source: str, fault: str) -> None:
        """Log a fault when it begins, changes or ends."""
        if fault != self._faults.get(source, ""):
            self._faults[source] = fault
            LOG.error("%s: cannot be read: %s", source, fault) if fault else LOG.warning(
                "%s: can be read again", source
            )

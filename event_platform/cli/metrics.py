"""`event-platform metrics`: an exporter for Prometheus."""

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, start_http_server

from event_platform.cli.output import OUT
from event_platform.cli.project import find_thresholds
from event_platform.environment import Environment
from event_platform.events.catalog import load_catalog
from event_platform.events.errors import SettingError
from event_platform.metrics.collector import PlatformCollector

_HOST = "127.0.0.1"


def print_metrics(environment: Environment) -> None:
    """Print the metrics of one scrape."""
    print(generate_latest(_registry(environment)).decode(), end="")  # noqa: T201 - rich would wrap it


def serve_metrics(environment: Environment, port: int) -> None:
    """Serve metrics to this machine until the process is ended. Raises SettingError if the port is in use."""
    registry = _registry(environment)
    try:
        server, thread = start_http_server(port, _HOST, registry)
    except OSError as error:
        raise SettingError(f"{_HOST}:{port}: {error.strerror}; choose another port with --port") from error
    OUT.print(f"Serving metrics on http://{_HOST}:{server.server_port}/metrics", soft_wrap=True)
    thread.join()


def _registry(environment: Environment) -> CollectorRegistry:
    catalog, thresholds = load_catalog(environment.catalog), find_thresholds(Path.cwd())
    registry = CollectorRegistry()
    registry.register(PlatformCollector(environment, catalog, thresholds, os.environ.get("DAGSTER_HOME")))
    return registry

"""`event-platform metrics`."""

import click

from event_platform.environment import load_environment
from event_platform.events.errors import SettingError


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=9464,
    show_default=True,
    help="Port of 127.0.0.1; 0 takes a free one.",
)
@click.option("--once", is_flag=True, help="Print the metrics and end, for the textfile collector of node_exporter.")
def metrics(port: int, once: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Serve metrics to Prometheus: totals, balances, freshness, what is due, failed checks, and runs.

    Each scrape reads the tables, the landing of today and yesterday, and Dagster's records (DAGSTER_HOME), at most
    every ten seconds. Runs push nothing, so a killed run is noticed as well. A source that cannot be read has
    event_platform_up 0, and its error is logged. Restart it after a change of the catalog.

    Requires the extra metrics: pip install 'event-platform[metrics]'.

    \b
    Examples:
      event-platform metrics
      event-platform metrics --once > event_platform.prom
    """
    environment = load_environment()
    try:
        from event_platform.cli.metrics import print_metrics, serve_metrics  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise SettingError(
            f"{error.name} is not installed; metrics take the extra metrics: pip install 'event-platform[metrics]'"
        ) from error
    if once:
        print_metrics(environment)
    else:
        serve_metrics(environment, port)

"""`event-platform generate`."""

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from event_platform.cli.output import ERR, OUT, print_warning
from event_platform.cli.progress import show_progress
from event_platform.environment import Environment, load_environment
from event_platform.events.errors import SettingError
from event_platform.sample.generate import Sample, generate, write_truth
from event_platform.setting_values import start_date_file


def first_of_whole_days(days: int) -> date:
    """Return the first of the last `days` whole days (UTC)."""
    return datetime.now(UTC).date() - timedelta(days=days)


def generate_sample(environment: Environment, events: int, days: int, first_date: date, seed: int) -> None:
    """Write the sample to the landing folder, which must be empty, and totals and start date beside it."""
    landing = Path(environment.landing)
    if environment.landing.startswith("s3://"):
        raise SettingError(
            f"EVENT_PLATFORM_LANDING: {environment.landing} is not a folder; generate into a folder and copy it"
        )
    if landing.is_dir() and any(landing.iterdir()):
        raise SettingError(
            f"{landing}: already contains objects; remove the folder or set EVENT_PLATFORM_LANDING to another one"
        )
    started = time.monotonic()
    with show_progress("hours") as listen:
        truth = generate(Sample(landing, events, first_date, days, seed), lambda *done: listen("generate", *done))
    seconds = time.monotonic() - started
    write_truth(landing.parent / "ground_truth.json", truth)
    _write_start_date(environment, first_date)
    ERR.print(f"{events / seconds:,.0f} events per second")
    OUT.print(
        f"{truth['landed']:,} records in {landing}; the totals to expect are in {landing.parent / 'ground_truth.json'}"
    )


def _write_start_date(environment: Environment, first_date: date) -> None:
    """Let the partitions begin with the sample if there is no lake yet: those of a lake must not disappear."""
    path, lake = start_date_file(environment.landing), Path(environment.lake)
    if path is not None and "://" not in environment.lake and not (lake.is_dir() and any(lake.iterdir())):
        path.write_text(f"{first_date}\n", encoding="utf-8")
    start_date = load_environment().start_date
    if first_date < start_date:
        print_warning(
            f"the first partition is {start_date}: the days before it are not loaded. Set EVENT_PLATFORM_START_DATE "
            f"to {first_date}"
        )

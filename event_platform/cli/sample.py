"""`event-platform generate`."""

import time
from datetime import date
from pathlib import Path

from event_platform.cli.output import ERR, OUT
from event_platform.cli.progress import show_progress
from event_platform.environment import Environment
from event_platform.events.errors import SettingError
from event_platform.sample.generate import Sample, generate, write_truth


def generate_sample(environment: Environment, events: int, days: int, first_date: date, seed: int) -> None:
    """Write the sample to the landing folder, which must be empty, and the totals to expect beside it."""
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
    ERR.print(f"{events / seconds:,.0f} events per second")
    OUT.print(
        f"{truth['landed']:,} records in {landing}; the totals to expect are in {landing.parent / 'ground_truth.json'}"
    )

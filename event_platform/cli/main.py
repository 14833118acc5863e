"""`event-platform`: the group of all commands, its help, and how errors are shown."""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from event_platform.cli.commands.catalog import catalog
from event_platform.cli.commands.doctor import doctor
from event_platform.cli.commands.export import export
from event_platform.cli.commands.init import init
from event_platform.cli.commands.mend import mend
from event_platform.cli.commands.metrics import metrics
from event_platform.cli.commands.new import new
from event_platform.cli.commands.report import report
from event_platform.cli.commands.run import replay, run
from event_platform.cli.commands.sample import generate
from event_platform.cli.commands.status import status
from event_platform.cli.commands.stream import consume, produce
from event_platform.cli.commands.tables import publish, query, register, vacuum
from event_platform.events.errors import EventPlatformError, MissingFileError, raise_panics_as_errors
from event_platform.settings_table import settings_table


class _Commands(click.Group):
    """Shows the settings below the commands, and errors that the user can fix without a traceback, as exit code 2.

    A data file of a table that is missing is exit code 1.
    """

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, the commands and the settings."""
        super().format_options(ctx, formatter)
        rows = [
            (setting.name, f"{setting.meaning} ({setting.type}; default: {setting.default})")
            for setting in settings_table()
        ]
        rows.append(("DAGSTER_HOME", "Where Dagster records runs (folder; default: runs are not recorded)"))
        with formatter.section("Environment variables, with the defaults of the local environment"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; see the class for its errors."""
        # Imports create many objects that stay: collecting garbage among them is a tenth of the time of a command. A
        # run with a hundred event types makes half a million objects, and a thousand of them are garbage in the end.
        gc.set_threshold(1_000_000)
        # At exit, Python would collect garbage among all objects, which takes half as long as the imports.
        atexit.register(gc.freeze)
        try:
            with raise_panics_as_errors(), _translate_errors():
                return super().invoke(ctx)
        except EventPlatformError as error:
            from event_platform.cli.output import visible  # noqa: PLC0415

            kind = click.ClickException if isinstance(error, MissingFileError) else click.UsageError
            raise kind(visible(str(error))) from error


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Translate errors of S3 to EventPlatformError. The imports for this are made only when an error occurs."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, EventPlatformError):
        raise
    except Exception:
        from event_platform.storage.polars_errors import translate_errors  # noqa: PLC0415

        with translate_errors():
            raise


@click.group(
    cls=_Commands,
    commands=[
        new,
        init,
        generate,
        produce,
        consume,
        run,
        replay,
        mend,
        status,
        report,
        catalog,
        query,
        register,
        publish,
        export,
        vacuum,
        metrics,
        doctor,
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="event-platform")
def main() -> None:
    """Turn landed JSON events into deduplicated, typed Delta tables, and prove that nothing was lost.

    \b
    Get started:
      event-platform generate                  write a sample landing zone, and the totals to expect
      event-platform run                       load, deduplicate and type whatever is new
      event-platform status                    show that the totals balance
      event-platform query "select event_subtype, count(*) n from events.lesson_started group by 1"

    A file `.env` in the working folder sets variables that the environment does not set.
    Credentials, region and endpoint of S3 and Kinesis come from the standard AWS variables and profiles.

    Exit codes: 0 success; 1 a run failed, the totals do not balance, work is overdue, or a catalog has faults or a
    breaking change; 2 usage or configuration error; 3 a check failed with severity error.
    """
    if Path(".env").is_file():
        from dotenv import load_dotenv  # noqa: PLC0415

        load_dotenv(".env")

"""A weekly job that verifies every table from its files."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from event_platform.defs.resources.platform import LakeResource
from event_platform.events.catalog import Catalog
from event_platform.events.wording import counted, first_few
from event_platform.lake.verification import Verification, verify
from event_platform.storage.polars_errors import translate_errors

_SHOWN = 20


class VerificationConfig(dg.Config):
    """How many days to count. That files exist is verified for all days."""

    days: int = Field(default=30, ge=0, description="Count the rows of this many days up to today; 0: all days")


def build_verification(catalog: Catalog) -> dg.ScheduleDefinition:
    """Return the schedule with its job. Of old days, which do not change, only files and log are compared."""

    @dg.op(out=dg.Out(dg.Nothing))
    @translate_errors()
    def verify_tables(context: dg.OpExecutionContext, config: VerificationConfig, lake: LakeResource) -> None:
        today, tables = datetime.now(UTC).date(), lake.open()
        dates = [today - timedelta(days=back) for back in range(config.days)] or None
        found = verify(tables, tables.every_table(catalog.event_types), dates)
        context.add_output_metadata(
            {
                "tables": found.tables,
                "files": found.files,
                "faults": len(found.faults),
                "days not compared": len(found.unbuilt),
            }
        )
        if found.faults:
            raise dg.Failure(_description(found), metadata=_faults(found), allow_retries=False)

    @dg.job(description="Verifies that every file of every table exists, and counts the rows of recent days.")
    def verification() -> None:
        verify_tables()

    return dg.ScheduleDefinition(
        name="weekly_verification",
        job=verification,
        cron_schedule="0 5 * * 0",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Runs the job verification on Sundays.",
    )


def _description(found: Verification) -> str:
    listed = f", on {first_few(found.faulty_dates, _SHOWN, 'days')}" if found.faulty_dates else ""
    return (
        f"{counted(len(found.faults), 'fault')} in the tables{listed}. The next run "
        "rebuilds days that were altered; `event-platform status --verify` lists all faults, and docs/runbook.md "
        "says what to do."
    )


def _faults(found: Verification) -> dict[str, str]:
    return {f"fault {number}": str(fault) for number, fault in enumerate(found.faults[:_SHOWN], start=1)}

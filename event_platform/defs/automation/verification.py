"""A job that proves once a week, from the files themselves, that every table holds what it should."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from event_platform.defs.resources.platform import LakeResource
from event_platform.events.catalog import Catalog
from event_platform.lake.verification import Verification, verify
from event_platform.storage.polars_errors import translate_errors

_SHOWN = 20


class VerificationConfig(dg.Config):
    """How far back rows are counted. Files are looked for on all days."""

    days: int = Field(
        default=30, ge=0, description="Count the rows of so many days up to today; 0 for all that there are"
    )


def build_verification(catalog: Catalog) -> dg.ScheduleDefinition:
    """Return the schedule, with its job.

    Of old days, which do not change, only the files and the log are looked at.
    """

    @dg.op(out=dg.Out(dg.Nothing))
    @translate_errors()
    def verify_tables(context: dg.OpExecutionContext, config: VerificationConfig, lake: LakeResource) -> None:
        today, tables = datetime.now(UTC).date(), lake.open()
        dates = [today - timedelta(days=back) for back in range(config.days)] or None
        found = verify(tables, tables.every_table(catalog.event_types), dates)
        context.add_output_metadata({"tables": found.tables, "files": found.files, "faults": len(found.faults)})
        if found.faults:
            raise dg.Failure(_description(found), metadata=_faults(found), allow_retries=False)

    @dg.job(description="Looks for every file of every table, and counts the rows of the last days in their files.")
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
    days = [day.isoformat() for day in found.faulty_dates]
    listed = f", on {', '.join(days[:_SHOWN])}" if days else ""
    more = f" and {len(days) - _SHOWN} more days" if len(days) > _SHOWN else ""
    return (
        f"{len(found.faults):,} faults in the tables{listed}{more}. The next run "
        "rebuilds days that were altered; `event-platform status --verify` lists all faults, and docs/runbook.md "
        "says what to do."
    )


def _faults(found: Verification) -> dict[str, str]:
    return {f"fault {number}": str(fault) for number, fault in enumerate(found.faults[:_SHOWN], start=1)}

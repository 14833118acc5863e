"""A job that deletes the files that no table needs any more, once a week where its schedule is switched on."""

from datetime import timedelta

import dagster as dg
from pydantic import Field

from event_platform.defs.resources.platform import LakeResource
from event_platform.events.catalog import Catalog
from event_platform.lake.vacuum import vacuum_all
from event_platform.storage.polars_errors import translate_errors


class VacuumConfig(dg.Config):
    """What is to stay."""

    keep_days: int = Field(
        default=7, ge=1, description="Keep the files of versions that were replaced within so many days"
    )


def build_vacuum(catalog: Catalog) -> dg.ScheduleDefinition:
    """Return the schedule, with its job. It is off until somebody wants it: what it deletes, nobody can go back to."""

    @dg.op(out=dg.Out(dg.Nothing))
    @translate_errors()
    def delete_old_files(context: dg.OpExecutionContext, config: VacuumConfig, lake: LakeResource) -> None:
        keep, failed, gone = timedelta(days=config.keep_days), {}, 0
        for each in vacuum_all(lake.open(), catalog, keep, dry_run=False):
            if each.error is not None:
                failed[each.table.name] = str(each.error)
            elif each.files:
                gone += len(each.files)
                context.log.info("%s files of %s are deleted", f"{len(each.files):,}", each.table.name)
        context.add_output_metadata({"files": gone})
        if failed:
            raise dg.Failure(
                description=f"{len(failed)} tables could not be vacuumed: {', '.join(sorted(failed))}",
                metadata=failed,
                allow_retries=False,
            )

    @dg.job(description="Deletes the files that no table has needed for some days; old versions cannot be read then.")
    def vacuum() -> None:
        delete_old_files()

    return dg.ScheduleDefinition(
        name="weekly_vacuum",
        job=vacuum,
        cron_schedule="0 6 * * 0",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Runs the job vacuum on Sundays. Off until it is switched on.",
    )

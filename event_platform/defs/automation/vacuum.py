"""A job that deletes unreferenced files. Its weekly schedule is off by default."""

from datetime import timedelta
from functools import partial

import dagster as dg
from pydantic import Field

from event_platform.defs.resources.platform import LakeResource, PublishingResource
from event_platform.events.catalog import Catalog
from event_platform.events.wording import counted
from event_platform.lake.vacuum import vacuum_all
from event_platform.storage.polars_errors import translate_errors


class VacuumConfig(dg.Config):
    """Retention of old versions."""

    keep_days: int = Field(
        default=7, ge=1, description="Keep files of versions that were replaced within this many days"
    )


def build_vacuum(catalog: Catalog) -> dg.ScheduleDefinition:
    """Return the schedule with its job. It is off by default, because deleted versions cannot be restored."""

    @dg.op(out=dg.Out(dg.Nothing))
    @translate_errors()
    def delete_old_files(
        context: dg.OpExecutionContext, config: VacuumConfig, lake: LakeResource, publishing: PublishingResource
    ) -> None:
        keep, failed, deleted = timedelta(days=config.keep_days), {}, 0
        tables = lake.open()
        expire = partial(publishing.open_iceberg(tables).expire, dry_run=False) if publishing.iceberg else None
        for vacuumed in vacuum_all(tables, catalog, keep, dry_run=False, expire=expire):
            if vacuumed.error is not None:
                failed[vacuumed.table.name] = str(vacuumed.error)
            elif vacuumed.files:
                deleted += len(vacuumed.files)
                context.log.info("deleted %s files of %s", f"{len(vacuumed.files):,}", vacuumed.table.name)
        context.add_output_metadata({"files": deleted})
        if failed:
            raise dg.Failure(
                description=f"{counted(len(failed), 'table')} could not be vacuumed: {', '.join(sorted(failed))}",
                metadata=failed,
                allow_retries=False,
            )

    @dg.job(description="Deletes files that no table has needed for some days. Old versions can then not be read.")
    def vacuum() -> None:
        delete_old_files()

    return dg.ScheduleDefinition(
        name="weekly_vacuum",
        job=vacuum,
        cron_schedule="0 6 * * 0",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Runs the job vacuum on Sundays. Off by default.",
    )

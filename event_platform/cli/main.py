"""`event-platform`: every command, with a help that teaches. The work behind them is imported when it is asked for."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import click

from event_platform.environment import LOCAL_COMPUTE, Environment, load_environment
from event_platform.events.errors import EventPlatformError, panics_as_errors

_DAY = click.DateTime(formats=["%Y-%m-%d"])


class _Commands(click.Group):
    """Shows an error that the user can mend as one, without a traceback. Exit code 2, as for wrong options."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            with panics_as_errors(), _translated():
                return super().invoke(ctx)
        except EventPlatformError as error:
            from event_platform.cli.output import visible  # noqa: PLC0415

            raise click.UsageError(visible(str(error))) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="event-platform")
def main() -> None:
    """Turn landed JSON events into deduplicated, typed Delta tables, and prove that nothing was lost.

    \b
    A first round:
      event-platform generate                  write a sample landing zone, and the truth about it
      event-platform run                       load, deduplicate and type whatever is new
      event-platform status                    show that the books balance
      event-platform query "select event_subtype, count(*) n from events.lesson_started group by 1"

    \b
    Settings come from the environment:
      EVENT_PLATFORM_ENV         local (default), dev, staging or prod
      EVENT_PLATFORM_LANDING     folder or s3://bucket/prefix that objects land in    (local: ./data/landing)
      EVENT_PLATFORM_LAKE        folder or s3://bucket/prefix of the tables           (local: ./data/lake)
      EVENT_PLATFORM_CATALOG     folder of JSON Schemas and envelope.yaml             (local: the sample catalog)
      EVENT_PLATFORM_START_DATE  first day of the stream                              (local: 2025-01-01)
      EVENT_PLATFORM_COMPUTE     local, or tcp://host:port of a Dask scheduler        (default: local)
      EVENT_PLATFORM_LANDING_QUEUE  URL of the SQS queue that tells of objects        (default: none)
      EVENT_PLATFORM_GLUE_DATABASE  where Athena and others find the tables           (default: nowhere)
      DAGSTER_HOME               where Dagster records runs; without it, runs leave no record
    Credentials, region and endpoint of S3 and Kinesis come from the standard AWS variables and profiles.

    Exit codes: 0 all is well, 1 a run failed, the books do not balance or work is overdue, 2 wrong use or settings.
    """


@main.command()
@click.option("--events", default=200_000, show_default=True, help="Distinct sound events to make.")
@click.option("--days", default=3, show_default=True, help="Days over which they arrive.")
@click.option("--from", "first_day", type=_DAY, default="2025-06-01", show_default=True, help="First day of arrival.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same bytes.")
def generate(events: int, days: int, first_day: datetime, seed: int) -> None:
    """Write a landing zone of a language-learning product: 100 event types, and everything that goes wrong.

    There are redeliveries, conflicts, late events, corrupt records of every reason, events of a newer app than the
    catalog knows, and names that it lacks. The truth about them goes to ground_truth.json beside the landing folder,
    in the form of `status --json`.

    \b
    Example:
      EVENT_PLATFORM_LANDING=/tmp/try/landing event-platform generate --events 1000000
    """
    from event_platform.cli.sample import generate_sample  # noqa: PLC0415

    generate_sample(load_environment(), events, days, first_day.date(), seed)


@main.command()
@click.argument("stream")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option("--events", type=click.IntRange(min=1), help="Make so many sample events instead of reading FILES.")
@click.option("--seed", type=int, help="The same seed in the same hour makes the same events; by default a new one.")
@click.option("--truth", type=click.Path(path_type=Path, dir_okay=False), help="Write the truth about them to a file.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Events a second; by default, all there is.")
@click.option(
    "--per-record", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Events to put in one record."
)
@click.option(
    "--key", default="event_uuid", show_default=True, help="Field (dots go into objects) that decides on the shard."
)
@click.option(
    "--failed", type=click.Path(path_type=Path, dir_okay=False), help="Write events that could not be sent to a file."
)
def produce(
    stream: str,
    files: tuple[Path, ...],
    events: int | None,
    seed: int | None,
    truth: Path | None,
    rate: float | None,
    per_record: int,
    key: str,
    failed: Path | None,
) -> None:
    """Send events to a Kinesis STREAM: sample events, or the lines of FILES (NDJSON, gzip or not; - is stdin).

    A newline ends each event. Calls are as large as Kinesis takes them. What a busy shard refuses is sent again for
    up to a minute, and nothing else is. Exit code 1 if any event could not be sent: which, and why, is printed, and
    --failed keeps them in a form that can be given to this command again.

    Events with the same --key go to the same shard, in their order but for those that were refused at first. With
    --per-record they are spread evenly instead, and AWS bills a record for all of them: 13 events of 370 bytes fill
    the 5 kB that it bills at least.

    \b
    Examples:
      event-platform produce events --events 10000 --rate 500
      event-platform produce events --per-record 13 exported/*.ndjson.gz
      tail -F app.log | event-platform produce events -
    """
    from event_platform.cli.produce import Given, Made, send_events  # noqa: PLC0415

    if (events is None) == (not files):
        raise click.UsageError("give FILES (- for standard input), or --events to make some")
    if events is None and (seed is not None or truth is not None):
        raise click.UsageError("--seed and --truth are about events that are made, with --events")
    source = Given(files) if events is None else Made(events, seed, truth)
    raise SystemExit(send_events(stream, source, rate, per_record, key, failed))


@main.command()
@click.argument("stream")
@click.option(
    "--checkpoints",
    help="Folder or s3://bucket/prefix that keeps how far each shard has landed; by default <landing>-checkpoints.",
)
@click.option(
    "--max-bytes", type=click.IntRange(min=1), default=16 << 20, show_default=True, help="Close an object at this size."
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=0),
    default=300,
    show_default=True,
    help="Close an object when its first record was read so long ago.",
)
@click.option(
    "--max-shards", type=click.IntRange(1, 1000), default=1000, show_default=True, help="Read no more shards."
)
@click.option(
    "--lease-seconds",
    type=click.FloatRange(min=0.1),
    default=30,
    show_default=True,
    help="Take over from a consumer that was silent for so long.",
)
@click.option("--until-idle", is_flag=True, help="Read to the end of what there is, and stop.")
def consume(
    stream: str,
    checkpoints: str | None,
    max_bytes: int,
    max_seconds: float,
    max_shards: int,
    lease_seconds: float,
    until_idle: bool,  # noqa: FBT001 - click passes flags by position
) -> None:
    """Read a Kinesis STREAM and write what it holds to EVENT_PLATFORM_LANDING, as Firehose would.

    Objects are gzip, with a newline after each record, below yyyy/MM/dd/HH/ of their first record's arrival. Sizes are
    before gzip. A shard is read in its order, and after those that it was split or merged from.

    Nothing is lost, whenever this is killed: an object is written first, and noted in a checkpoint then. Start it
    again, and it goes on from there. SIGTERM makes it write what it has, and end with 0. Of two consumers of a stream,
    each reads the shards that the other does not; --max-shards leaves some to others. Where a consumer was killed,
    others take its shards after --lease-seconds. One that has lost a shard to another stops with exit code 1.

    \b
    Examples:
      event-platform consume events
      event-platform consume events --until-idle && event-platform run
    """
    from event_platform.cli.consume import land_stream  # noqa: PLC0415
    from event_platform.stream.reader import Limits  # noqa: PLC0415

    limits = Limits(max_bytes, max_seconds, until_idle)
    raise SystemExit(land_stream(load_environment(), stream, checkpoints, limits, max_shards, lease_seconds))


@main.command()
@click.option("--from", "first", type=_DAY, help="Leave out days before this one.")
@click.option("--to", "last", type=_DAY, help="Leave out days after this one.")
@click.option("--rebuild", is_flag=True, help="Build the created dates of the range whole, also what is up to date.")
def run(first: datetime | None, last: datetime | None, rebuild: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Materialize whatever landing calls for, through Dagster, and show the ledger.

    First the arrival dates with new or changed objects, then the created dates that these touched, and whatever an
    earlier run has left: a day, the quality report, an asset over event tables that failed. What is up to date is not
    touched; run it again, and nothing happens.

    \b
    Examples:
      event-platform run
      event-platform run --from 2025-06-01 --to 2025-06-07
      event-platform run --rebuild --from 2025-06-01 --to 2025-06-07
    """
    if rebuild and not (first and last):
        raise click.UsageError("--rebuild takes --from and --to: it builds all days of the range, whatever is due")
    environment = _prepared()
    from event_platform.cli.run import run_due  # noqa: PLC0415

    days = (first.date() if first else None, last.date() if last else None)
    raise SystemExit(run_due(environment, *days, rebuild=rebuild))


@main.command()
@click.option("--from", "first", type=_DAY, required=True, help="First arrival date to load anew.")
@click.option("--to", "last", type=_DAY, required=True, help="Last arrival date to load anew.")
def replay(first: datetime, last: datetime) -> None:
    """Load arrival dates from landing again, although they are loaded, and build what that touches.

    For when the rules were mended (envelope.yaml, the start date, a new version of this program), or rows of
    raw_events were lost: what landed is read as the rules are now, and takes the place of what was made of it, in one
    commit. Rows of objects that landing has no more stay. Do it again, or stop it anywhere: the tables are the same.

    \b
    Example:
      event-platform replay --from 2025-06-01 --to 2025-06-07
    """
    environment = _prepared()
    from event_platform.cli.run import replay as replay_days  # noqa: PLC0415

    raise SystemExit(replay_days(environment, first.date(), last.date()))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.option(
    "--verify", is_flag=True, help="Look for every file, and count the rows in them: it reads the whole lake."
)
def status(as_json: bool, verify: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Show the ledger of the lake: what landed, what became of it, and what is left to be done.

    landed = sound + corrupt for every arrival date; sound = deduplicated + duplicates and
    deduplicated = typed + unregistered for every created date. The last line says whether they come out even, and
    names the objects that wait to be loaded and the days that are due, also of tables of assets that people add.

    \b
    Exit code 0 where the books balance, also while what has just landed waits, as it does while a stream goes on.
    Exit code 1 where they do not balance, and where something is overdue:
      an object waits whose day is over (UTC, and an hour more)
      a day is due for which nothing was loaded within the last hour
      landing cannot be listed: nobody knows what waits
    With --json, "completeness" has all of it; its "complete" is true where nothing is left at all.

    With --verify nothing is taken from the logs: every file of every table is looked for, with its size, keys and rows
    are counted in the files, and the event_uuids of a day are compared from table to table. Exit code 1, and the days,
    where anything is not as it should be.

    \b
    Examples, the first in a script that must not go on with books that do not balance:
      event-platform status --json > ledger.json || exit 1
      event-platform status --verify
    """
    from event_platform.cli.status import show_status  # noqa: PLC0415
    from event_platform.events.catalog import load_catalog  # noqa: PLC0415

    environment = load_environment()
    if verify:
        from event_platform.cli.verify import show_verification  # noqa: PLC0415

        raise SystemExit(show_verification(environment, load_catalog(environment.catalog), as_json=as_json))
    raise SystemExit(show_status(environment, load_catalog(environment.catalog), as_json=as_json))


@main.group()
def catalog() -> None:
    """Draft and check the catalog: a JSON Schema for each event name, and envelope.yaml.

    \b
    Example, for a stream that has no catalog yet:
      event-platform catalog draft ./catalog
      event-platform catalog check ./catalog
    """


@catalog.command("draft")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option(
    "--envelope",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="envelope.yaml to read the stream with; by default the one in FOLDER.",
)
@click.option("--force", is_flag=True, help="Replace schemas of these events, and another envelope.yaml.")
def draft(folder: Path | None, envelope: Path | None, force: bool) -> None:  # noqa: FBT001 - as click passes it
    """Read landing and write a schema for every event name in it to FOLDER (or EVENT_PLATFORM_CATALOG).

    Every property gets the widest type that loses nothing of what was seen. Values of mixed types are left to the
    column _rescued; so is whatever comes later and does not fit. Look the draft over before you build on it. A schema
    that is there is known by its title, whatever its file is called; no other file is written over. Exit code 1 if an
    event was left out.

    \b
    Example, for a stream with its own field names:
      mkdir catalog && cat > catalog/envelope.yaml <<EOF
      event_uuid: id
      event_name: [type, payload.action]
      created_at: {field: created_at, unit: iso8601}
      EOF
      event-platform catalog draft catalog
    """
    from event_platform.cli.catalog import draft_catalog  # noqa: PLC0415

    environment = load_environment()
    raise SystemExit(draft_catalog(environment, _writable(folder), envelope, force=force))


@catalog.command("check")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False)
def check(folder: Path | None) -> None:
    """Validate a catalog: FOLDER, or EVENT_PLATFORM_CATALOG.

    Prints a line for each fault, naming file and key, and ends with exit code 1 if there is any. What it passes, a run
    accepts.

    \b
    Example, before a schema is merged:
      event-platform catalog check ./catalog
    """
    from event_platform.cli.catalog import check_catalog  # noqa: PLC0415

    raise SystemExit(check_catalog(folder or load_environment().catalog))


@main.command()
@click.argument("sql")
@click.option("--json", "form", flag_value="json", help="Print a JSON array of rows.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV with a header.")
def query(sql: str, form: str | None) -> None:
    """Run SQL (polars' dialect) over the tables of the lake.

    Tables: raw_events, corrupt_events, deduplicated_events, duplicate_events, unregistered_events,
    quality_report, events.<key>, such as events.lesson_started, and those of your own assets by their keys.
    Nothing else can be read, and nothing is written.

    The first 100 rows are shown, as a table where it fits the terminal, else with a line for each value. --json and
    --csv print all rows; in CSV, lists and objects are JSON.

    \b
    Examples:
      event-platform query "show tables"
      event-platform query "describe events.lesson_started"
      event-platform query "select created_date, count(*) n from events.lesson_started group by created_date"
      event-platform query --csv "select corruption_reason, count(*) n from corrupt_events group by 1"
    """
    from event_platform.cli.query import run_query  # noqa: PLC0415

    run_query(load_environment(), sql, form)


@main.command()
def register() -> None:
    """Register the tables of the lake in the Glue Data Catalog, so that Athena and Spark find them.

    EVENT_PLATFORM_GLUE_DATABASE says in which database. Runs do it by themselves for what they write; this is for the
    first time, and for when somebody changed or dropped a table there. Do it again, and nothing happens. A table that
    is there is never removed. Exit code 1 if a table could not be registered.

    \b
    Example:
      EVENT_PLATFORM_GLUE_DATABASE=event_platform_prod event-platform register
    """
    from event_platform.cli.register import register_tables  # noqa: PLC0415

    raise SystemExit(register_tables(load_environment()))


@main.command()
@click.option(
    "--keep-days",
    type=click.IntRange(min=1),
    default=7,
    show_default=True,
    help="Keep the files of versions that were replaced within so many days.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
def vacuum(keep_days: int, dry_run: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Delete the files that no table needs any more.

    Whatever is put together, built anew or replaced leaves its old files behind, for those who read an old version;
    and a run that is killed leaves what it had not committed. Nothing of the tables as they are now goes, but their
    versions of more than so many days ago cannot be read any more. Landing is not touched, nor what is younger,
    which a run may be at work on. Exit code 1 if a table could not be read.

    \b
    Example, once a week, where Dagster's schedule weekly_vacuum does not:
      event-platform vacuum --keep-days 7
    """
    from event_platform.cli.vacuum import vacuum_tables  # noqa: PLC0415

    raise SystemExit(vacuum_tables(load_environment(), timedelta(days=keep_days), dry_run=dry_run))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def doctor(as_json: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Check what an installation needs, and say what to do about what is missing. It ends within 25 seconds.

    Settings, versions, the catalog, where Dagster is at home; on S3 who asks, what is allowed, whether the store lets
    one of two writers through, how objects land, and the clock; PostgreSQL, a Dask cluster, the Glue Data Catalog and
    alert addresses where they are set; memory and disk. An object is put into the lake and deleted again, and the
    probe for conditional puts stays, as each first run leaves it; nothing else is written, and no secret is shown.
    Exit code 1 if anything is wrong.

    \b
    Example, where a container is to start only if all is well:
      event-platform doctor || exit 1
    """
    from event_platform.cli.doctor import show_findings  # noqa: PLC0415

    raise SystemExit(show_findings(as_json=as_json))


@contextmanager
def _translated() -> Iterator[None]:
    """Translate errors of object stores. What that takes is imported when there is an error."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, EventPlatformError):
        raise
    except Exception:
        from event_platform.storage.polars_errors import translate_errors  # noqa: PLC0415

        with translate_errors():
            raise


def _prepared() -> Environment:
    """Read the settings and start what local tasks come from: it imports theirs while this process imports Dagster."""
    # Dagster makes many objects that stay: looking for garbage among them is a tenth of the time of a small run.
    gc.set_threshold(200_000)
    environment = load_environment()
    if environment.compute == LOCAL_COMPUTE:
        from event_platform.compute.pool import prepare  # noqa: PLC0415

        prepare()
    return environment


def _writable(folder: Path | None) -> Path:
    environment: Environment = load_environment()
    from event_platform.environment import SAMPLE_CATALOG  # noqa: PLC0415

    chosen = folder or environment.catalog
    if chosen == SAMPLE_CATALOG:
        raise click.UsageError("give a FOLDER to write to, or set EVENT_PLATFORM_CATALOG")
    return chosen

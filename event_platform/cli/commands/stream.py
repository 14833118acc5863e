"""`event-platform produce` and `event-platform consume`."""

from pathlib import Path

import click

from event_platform.environment import load_environment


@click.command()
@click.argument("stream")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option("--events", type=click.IntRange(min=1), help="Number of sample events to send instead of FILES.")
@click.option("--seed", type=int, help="The same seed in the same hour gives the same events; by default a new one.")
@click.option("--truth", type=click.Path(path_type=Path, dir_okay=False), help="Write the totals to expect to a file.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Events per second; by default no limit.")
@click.option("--per-record", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Events per record.")
@click.option(
    "--key", default="event_uuid", show_default=True, help="Field (dots for nested objects) that chooses the shard."
)
@click.option(
    "--failed", type=click.Path(path_type=Path, dir_okay=False), help="Write events that were not sent to a file."
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

    Each event ends with a newline. Each call is as large as Kinesis allows. Records that a busy shard rejects are
    retried for up to a minute; other records are not sent twice. Exit code 1 if any event was not sent: the events and
    reasons are printed, and --failed writes the events to a file that this command can send again.

    Events with the same value of --key go to the same shard, in order unless some were rejected at first. With
    --per-record, events are spread evenly over the shards instead, and AWS bills one record for the group: 13 events
    of 370 bytes fill the 5 kB that it bills at least.

    \b
    Examples:
      event-platform produce events --events 10000 --rate 500
      event-platform produce events --per-record 13 exported/*.ndjson.gz
      tail -F app.log | event-platform produce events -
    """
    from event_platform.cli.produce import FileSource, SampleSource, send_events  # noqa: PLC0415

    if (events is None) == (not files):
        raise click.UsageError("give either FILES (- for standard input) or --events")
    if events is None and (seed is not None or truth is not None):
        raise click.UsageError("--seed and --truth need --events: they are about sample events")
    source = FileSource(files) if events is None else SampleSource(events, seed, truth)
    raise SystemExit(send_events(stream, source, rate, per_record, key, failed))


@click.command()
@click.argument("stream")
@click.option(
    "--checkpoints",
    help="Folder or s3://bucket/prefix for the position in each shard; by default <landing>-checkpoints.",
)
@click.option(
    "--max-bytes", type=click.IntRange(min=1), default=16 << 20, show_default=True, help="Close an object at this size."
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=0),
    default=300,
    show_default=True,
    help="Close an object at this age, counted from its first record.",
)
@click.option(
    "--max-shards",
    type=click.IntRange(1, 1000),
    default=1000,
    show_default=True,
    help="Maximum number of shards to read.",
)
@click.option(
    "--lease-seconds",
    type=click.FloatRange(min=0.1),
    default=30,
    show_default=True,
    help="Take over the shards of a consumer that was silent for so long.",
)
@click.option("--until-idle", is_flag=True, help="Stop at the end of the stream.")
def consume(
    stream: str,
    checkpoints: str | None,
    max_bytes: int,
    max_seconds: float,
    max_shards: int,
    lease_seconds: float,
    until_idle: bool,  # noqa: FBT001 - click passes flags by position
) -> None:
    """Read a Kinesis STREAM and write its records to EVENT_PLATFORM_LANDING, as Firehose would.

    Objects are gzip files with a newline after each record, below yyyy/MM/dd/HH/ of the arrival of their first record.
    Sizes are before compression. Each shard is read in order, and after the shards that it was split or merged from.

    Nothing is lost if this command is killed: an object is written before its checkpoint. Start it again, and it
    continues from there. On SIGTERM it writes the records that it has read and exits with 0. Several consumers of a
    stream share its shards; --max-shards leaves some to others. The shards of a killed consumer are taken over after
    --lease-seconds. A consumer that lost a shard to another one stops with exit code 1.

    \b
    Examples:
      event-platform consume events
      event-platform consume events --until-idle && event-platform run
    """
    from event_platform.cli.consume import land_stream  # noqa: PLC0415
    from event_platform.stream.reader import Limits  # noqa: PLC0415

    limits = Limits(max_bytes, max_seconds, until_idle)
    raise SystemExit(land_stream(load_environment(), stream, checkpoints, limits, max_shards, lease_seconds))

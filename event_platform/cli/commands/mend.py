"""`event-platform mend`."""

from datetime import datetime

import click

from event_platform.cli.commands.options import DAY, WARN_ONLY, date_of
from event_platform.environment import load_environment


@click.command()
@click.option("--from", "first", type=DAY, help="First arrival date; by default the first partition.")
@click.option("--to", "last", type=DAY, help="Last arrival date; by default today.")
@click.option("--dry-run", is_flag=True, help="Show what the functions would make of the records; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@WARN_ONLY
def mend(first: datetime | None, last: datetime | None, dry_run: bool, as_json: bool, warn_only: bool) -> None:  # noqa: FBT001 - click passes flags by position
    """Apply the functions in catalog/mend to dead letters that were loaded without them.

    A function takes a corrupt record, or an event whose name is not in the catalog, and returns it mended, or None.
    The result is read like any record; if it is sound, it replaces the landed one, with the function and its version
    in mended_by. Landing is never changed.

    \b
      # catalog/mend/times.py
      import json
      from event_platform.events.mending import DeadLetter, mends
    \b
      @mends(reason="created_at_out_of_range")
      def milliseconds(record: DeadLetter) -> dict | None:
          event = json.loads(record.body)
          return {**event, "created_at": event["created_at"] / 1000}

    New objects are mended as they are loaded. This command is for loaded objects, after a function was added, changed
    or removed: it reads the objects with such records again, and materializes downstream tables. Removing a function
    restores the landed records. If nothing is due, it does the same as `run`; a second call does nothing.

    With --dry-run, it shows for each reason and function how many records would be sound, and ten of them before and
    after, with personal fields masked. Otherwise, output and exit codes are those of `run`.

    \b
    Examples:
      event-platform mend --dry-run
      event-platform mend
    """
    from event_platform.cli.progress import show_progress  # noqa: PLC0415

    environment = load_environment()
    with show_progress("tasks") as progress:
        progress.begin("loading the catalog")
        if dry_run:
            from event_platform.cli.mend import dry_run as try_it  # noqa: PLC0415

            trial = try_it(environment, date_of(first), date_of(last), progress)
        else:
            from event_platform.cli.run import mend as mend_due  # noqa: PLC0415

            outcome = mend_due(environment, date_of(first), date_of(last), progress)
    if dry_run:
        from event_platform.cli.mend import print_trial  # noqa: PLC0415

        print_trial(trial, environment, as_json=as_json)
        return
    from event_platform.cli.run import finish  # noqa: PLC0415

    raise SystemExit(finish(outcome, as_json=as_json, warn_only=warn_only))

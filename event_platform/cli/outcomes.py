"""What `register` and `publish` print of the tables in a catalog of others."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from event_platform.cli.output import ERR, OUT
from event_platform.publishing import glue, iceberg


def print_outcomes(
    catalog: str, found: Sequence[glue.Registration | iceberg.Publication], outcomes: type[StrEnum]
) -> None:
    """Print the tables that failed, with the reason, and those that changed; then how many have each outcome."""
    for each in found:
        if each.outcome in {glue.Outcome.FAILED, iceberg.Outcome.FAILED}:
            ERR.print(f"{each.table}: {each.reason}", style="red", soft_wrap=True, highlight=False, markup=False)
        elif each.outcome not in {glue.Outcome.UNCHANGED, iceberg.Outcome.UNCHANGED}:
            OUT.print(f"{each.outcome}: {each.table}", soft_wrap=True, highlight=False, markup=False)
    counts = Counter[str](each.outcome for each in found)
    listed = ", ".join(f"{counts[outcome]} {outcome}" for outcome in outcomes)
    OUT.print(f"{catalog}: {listed}", soft_wrap=True, highlight=False, markup=False)

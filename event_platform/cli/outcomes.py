"""The output of `register` and `publish`: the outcome of each table in an external catalog."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from event_platform.cli.output import ERR, OUT
from event_platform.publishing import glue, iceberg


def print_outcomes(
    catalog: str, registrations: Sequence[glue.Registration | iceberg.Publication], outcomes: type[StrEnum]
) -> None:
    """Print failed tables with their reason, then changed tables, then the number of tables of each outcome."""
    for registration in registrations:
        table, outcome = registration.table, registration.outcome
        if outcome in {glue.Outcome.FAILED, iceberg.Outcome.FAILED}:
            ERR.print(f"{table}: {registration.reason}", style="red", soft_wrap=True, highlight=False, markup=False)
        elif outcome not in {glue.Outcome.UNCHANGED, iceberg.Outcome.UNCHANGED}:
            OUT.print(f"{outcome}: {table}", soft_wrap=True, highlight=False, markup=False)
    counts = Counter[str](registration.outcome for registration in registrations)
    listed = ", ".join(f"{counts[kind]} {kind}" for kind in outcomes)
    OUT.print(f"{catalog}: {listed}", soft_wrap=True, highlight=False, markup=False)

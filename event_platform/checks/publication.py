"""The check that the Iceberg catalog has the current version of every table."""

from collections.abc import Mapping

from event_platform.checks.faults import Fault
from event_platform.checks.result import Result, Severity
from event_platform.events.wording import first_few

NAME = "published"

#: Number of tables in the message.
_NAMED = 3


def no_catalog(fault: str) -> Result:
    """Return the result if the catalog is unusable."""
    return Result(
        passed=False,
        description=f"the Iceberg catalog cannot be used: {fault}",
        severity=Severity.WARN,
        faults={Fault.UNPUBLISHED_TABLES: 1},
    )


def check_publication(tables: int, failed: Mapping[str, str]) -> Result:
    """Judge the publication of tables; `failed` has the reason by table.

    The severity is a warning, because the Delta tables are written.
    """
    if not failed:
        return Result(passed=True, description=f"{tables} tables are published", severity=Severity.WARN)
    listed = first_few((f"{table}: {reason}" for table, reason in failed.items()), _NAMED, separator="; ")
    return Result(
        passed=False,
        description=f"{len(failed)} of {tables} tables are not published in their present version: {listed}",
        metadata={"not_published": dict(failed)},
        severity=Severity.WARN,
        faults={Fault.UNPUBLISHED_TABLES: len(failed)},
    )

"""A change between two catalogs: its location, its impact and what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Impact(StrEnum):
    """The impact of a change on events, tables and their readers."""

    COMPATIBLE = "compatible"  # whatever the old schema accepted is accepted, and in the same column
    BACKFILL = "back-fill"  # days that are built differ from future ones until they are rebuilt
    #: Events that were accepted are not, a column has no values any more, a run would fail, or masked values are shown.
    BREAKING = "breaking"


@dataclass(frozen=True)
class Change:
    """A difference between two catalogs."""

    impact: Impact
    event_type: str  # its name; empty for the envelope
    path: str  # of the property, such as device.os, answers[].id or scores.*; empty for the type itself
    before: str  # the old values of the keywords that differ; empty if there were none
    after: str
    action: str  # what to do, or what happens automatically
    column: tuple[str, ...] = ()  # path of the column that is concerned
    file: str = ""  # of the schema

"""Objects that a listing of landing omits, and the warnings about them."""

from dataclasses import dataclass, field

from event_platform.events.errors import UnreadableError
from event_platform.events.wording import counted
from event_platform.landing.names import is_marker, printable

#: Maximum number of faults in the warnings.
_MAX_NAMED = 5


@dataclass
class Omissions:
    """Objects that a listing omits (except empty ones), and objects without a date. Filled while a listing is read."""

    #: By name of a file or folder: why it could not be listed, or was refused. Each error contains the name.
    faults: dict[str, UnreadableError] = field(default_factory=dict)
    hidden: int = 0  # objects with a hidden name, but for markers
    hidden_example: str = ""
    undated: set[str] = field(default_factory=set)  # objects without a date in their path: these are not left out

    def hide(self, name: str, size: int) -> None:
        """Count a hidden object, unless it is empty or a marker."""
        if size and not is_marker(name):
            self.hidden += 1
            self.hidden_example = self.hidden_example or name

    @property
    def warnings(self) -> list[str]:
        """Messages that do not fail a run: some of the faults, and the hidden objects."""
        faults = [str(fault) for fault in list(self.faults.values())[:_MAX_NAMED]]
        other_faults = len(self.faults) - len(faults)
        return [
            *faults,
            *([f"And {other_faults} more that are left out"] if other_faults else []),
            *filter(None, [self.hidden_warning]),
        ]

    @property
    def hidden_warning(self) -> str | None:
        """A message about the hidden objects; None if there are none."""
        if not self.hidden:
            return None
        return (
            f"landing holds {counted(self.hidden, 'hidden object')}, such as {printable(self.hidden_example)}: names "
            "that begin with _ or . and hold no = are not loaded. Rename those that are data"
        )

    @property
    def undated_note(self) -> str | None:
        """A message about the objects without a date; None if there are none."""
        if not self.undated:
            return None
        return (
            f"{counted(len(self.undated), 'object')} without a date in the path, such as "
            f"{printable(min(self.undated))}: each counts for the day on which it was last modified"
        )

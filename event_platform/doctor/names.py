"""The check of the names in landing: files and folders that are not loaded, and why."""

from itertools import islice

from event_platform.doctor.finding import Finding, bad, good, skipped
from event_platform.events.errors import LandingError
from event_platform.landing.landing import Landing
from event_platform.landing.omissions import Omissions

#: Objects that are listed at most: a store lists so many in some seconds.
_MOST = 50_000


def check_names(landing: Landing) -> Finding:
    """Report files and folders among the first objects of landing that cannot be listed, are refused or hidden."""
    name, omissions = "landing names", Omissions()
    try:
        objects = sum(1 for _ in islice(landing.list_objects(None, omissions), _MOST))
    except LandingError as error:
        return skipped(name, f"landing cannot be listed: {error}")
    checked = f"{objects:,} objects" if objects < _MOST else f"the first {objects:,} objects"
    notes = "".join(f"; {note}" for note in (omissions.hidden_warning, omissions.undated_note) if note)
    if omissions.faults:
        first = next(iter(omissions.faults.values()))
        message = f"{len(omissions.faults)} files or folders are not loaded, such as {first}{notes}"
        return bad(name, message, "fix them one by one: `event-platform run` names each")
    return good(name, f"{checked}; all can be loaded{notes}")

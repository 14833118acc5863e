"""A check of the names in landing: which files and folders are left out, and why."""

from itertools import islice

from event_platform.doctor.finding import Finding, bad, good, left_out
from event_platform.events.errors import LandingError
from event_platform.landing.landing import Landing
from event_platform.landing.omissions import Omissions

#: Objects that are looked at: a store lists so many in some seconds.
_MOST = 50_000


def check_names(landing: Landing) -> Finding:
    """Tell of what could not be listed, is refused, or is hidden among the first objects of landing."""
    name, omissions = "landing names", Omissions()
    try:
        objects = sum(1 for _ in islice(landing.list_objects(None, omissions), _MOST))
    except LandingError as error:
        return left_out(name, f"landing cannot be listed: {error}")
    looked_at = f"{objects:,} objects" if objects < _MOST else f"the first {objects:,} objects"
    hidden = f"; {omissions.hidden_warning}" if omissions.hidden_warning else ""
    if omissions.faults:
        first = next(iter(omissions.faults.values()))
        found = f"{len(omissions.faults)} files or folders are left out, such as {first}{hidden}"
        return bad(name, found, "mend them one by one: `event-platform run` names them")
    return good(name, f"{looked_at}, and nothing that cannot be loaded{hidden}")

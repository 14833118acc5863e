"""Claims a Dagster instance for one lake, and so for one environment.

Asset keys are the same in every environment. Two environments in one instance would hide each other's assets, and the
runs of one would hold back the sensors of the other. The sensors of a code location renew a claim in the instance's
records; processes of another lake are refused meanwhile.
"""

import json
import time
from dataclasses import dataclass

import dagster as dg

from event_platform.events.errors import SettingError

_KEY = "event_platform/lake"

#: Seconds for which a claim holds: many ticks of a sensor, and few enough to wait for where a lake has moved.
_LEASE = 300

#: Seconds after which a claim is written again.
_RENEWED_AFTER = 30


@dataclass(frozen=True)
class Claim:
    """That the sensors of a lake are at work in an instance."""

    lake: str
    ticked: float  # Unix time

    def holds(self, now: float) -> bool:
        """Return whether its sensors were at work lately."""
        return abs(now - self.ticked) < _LEASE


def require_own_instance(instance: dg.DagsterInstance, lake: str) -> None:
    """Raise SettingError if the sensors of another lake use an instance."""
    claim = _read(instance)
    if claim is not None and claim.lake != lake and claim.holds(time.time()):
        raise SettingError(
            f"the sensors of {claim.lake} are at work in this Dagster instance, and this is about {lake}: they would "
            "hide each other's assets and hold back each other's runs. Have one instance (DAGSTER_HOME, database) for "
            f"each environment. Where the other is gone, this goes on by itself {_LEASE // 60} minutes after its last "
            "tick"
        )


def keep_claim(instance: dg.DagsterInstance, lake: str) -> None:
    """Record that the sensors of a lake use an instance. Raises SettingError if those of another lake do."""
    require_own_instance(instance, lake)
    claim, now = _read(instance), time.time()
    if claim is None or claim.lake != lake or abs(now - claim.ticked) > _RENEWED_AFTER:
        instance.run_storage.set_cursor_values({_KEY: json.dumps({"lake": lake, "ticked": now})})


def _read(instance: dg.DagsterInstance) -> Claim | None:
    stored = instance.run_storage.get_cursor_values({_KEY}).get(_KEY)
    return Claim(**json.loads(stored)) if stored else None

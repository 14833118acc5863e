"""Every check has a likely cause: without one, the code location does not load."""

import pytest

from event_platform.defs.alerts.causes import CAUSES, require_causes


def test_a_check_without_a_likely_cause_is_an_error() -> None:
    """It is named."""
    require_causes(CAUSES)
    with pytest.raises(TypeError, match="fullness: CAUSES has no likely cause"):
        require_causes([*CAUSES, "fullness"])

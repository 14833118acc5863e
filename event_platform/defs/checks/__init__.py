"""Asset checks: a verdict is a pure figure and a threshold, one for each partition."""

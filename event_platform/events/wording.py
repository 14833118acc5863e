"""How messages say numbers."""


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: `1 object`, `2,000 objects`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"

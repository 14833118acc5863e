"""Changes of `x-personal`, whose values are masked on pages, in samples and in examples."""

from collections.abc import Iterator

from event_platform.events.evolution.change import Change, Impact

_PERSONAL = "x-personal: true"
_MASKED = "pages and examples mask its values; pages of days keep their samples until they are reported again"
_SHOWN = "pages and examples show its values to all who read them: keep it where they say something of a person"


def compare_masking(
    event_type: str, path: str, column_path: tuple[str, ...], *, before: bool, after: bool
) -> Iterator[Change]:
    """Yield the change of a property that was masked `before` or is masked `after`.

    Unmasking is breaking, although no event or column is affected: somebody has to agree to it.
    """
    if before and not after:
        yield Change(Impact.BREAKING, event_type, path, _PERSONAL, "", _SHOWN, column_path)
    elif after and not before:
        yield Change(Impact.COMPATIBLE, event_type, path, "", _PERSONAL, _MASKED, column_path)

"""The outcome of functions for their dead letters."""

from collections import Counter
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

#: Stands for the reason of sound events whose name the catalog lacks.
UNREGISTERED = "unregistered"


class MendedExample(NamedTuple):
    """A dead letter before and after it was mended."""

    reason: str
    label: str  # of the function
    before: bytes
    after: str


@dataclass
class MendOutcome:
    """Counts of dead letters by (reason, function), and some examples of each.

    Of the dead letters of a function, some become sound. It fails for those whose result is not sound; raising an error
    or returning no record counts as an error. All others are left unchanged.
    """

    max_examples: int = 0
    letter_counts: Counter[str] = field(default_factory=Counter)  # dead letters of any function, by reason
    unmended_counts: Counter[str] = field(default_factory=Counter)  # of these, not mended, by reason
    sound_counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    failure_counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    error_counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    first_errors: dict[str, str] = field(default_factory=dict)  # by function
    examples: list[MendedExample] = field(default_factory=list)

    def room(self, key: tuple[str, str]) -> int:
        """Return how many more examples of a reason and function are stored."""
        return self.max_examples - sum((each.reason, each.label) == key for each in self.examples)

    def add(self, other: "MendOutcome") -> None:
        """Add counts from another process."""
        self.letter_counts.update(other.letter_counts)
        self.unmended_counts.update(other.unmended_counts)
        self.sound_counts.update(other.sound_counts)
        self.failure_counts.update(other.failure_counts)
        self.error_counts.update(other.error_counts)
        self.first_errors = {**other.first_errors, **self.first_errors}
        for each in other.examples:
            if self.room((each.reason, each.label)) > 0:
                self.examples.append(each)

    def spread_examples(self) -> list[MendedExample]:
        """Return up to `max_examples` examples, of each reason and function in turn."""
        seen = Counter[tuple[str, str]]()
        ranked: list[tuple[int, MendedExample]] = []
        for each in self.examples:
            ranked.append((seen[each.reason, each.label], each))
            seen[each.reason, each.label] += 1
        return [each for _, each in sorted(ranked, key=itemgetter(0))][: self.max_examples]

    def as_json(self) -> list[dict[str, Any]]:
        """Return a row for each reason and function with a count."""
        return [
            {
                "reason": reason,
                "function": label,
                "sound": self.sound_counts[reason, label],
                "still_corrupt": self.failure_counts[reason, label],
                "errors": self.error_counts[reason, label],
                "first_error": self.first_errors.get(label),
            }
            for reason, label in sorted({*self.sound_counts, *self.failure_counts, *self.error_counts})
        ]

    @property
    def warnings(self) -> list[str]:
        """Describe the number of errors of each function, and its first error."""
        return [
            f"{label}: {sum(count for (_, each), count in self.error_counts.items() if each == label):,} errors; "
            f"the first: {error}. These records stay as they are"
            for label, error in sorted(self.first_errors.items())
        ]

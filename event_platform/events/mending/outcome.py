"""The outcome of functions for their dead letters."""

from collections import Counter
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

#: Stands for the reason of sound events whose name the catalog lacks.
UNREGISTERED = "unregistered"


class Mended(NamedTuple):
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

    examples_wanted: int = 0
    given: Counter[str] = field(default_factory=Counter)  # to any function, by reason
    left: Counter[str] = field(default_factory=Counter)  # not mended by any function
    sound: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    first_errors: dict[str, str] = field(default_factory=dict)  # by function
    examples: list[Mended] = field(default_factory=list)

    def room(self, key: tuple[str, str]) -> int:
        """Return how many more examples of a reason and function are wanted."""
        return self.examples_wanted - sum((each.reason, each.label) == key for each in self.examples)

    def add(self, other: "MendOutcome") -> None:
        """Add counts from another process."""
        for counts, more in ((self.given, other.given), (self.left, other.left)):
            counts.update(more)
        for by_function, also in ((self.sound, other.sound), (self.failed, other.failed), (self.errors, other.errors)):
            by_function.update(also)
        self.first_errors = {**other.first_errors, **self.first_errors}
        for each in other.examples:
            if self.room((each.reason, each.label)) > 0:
                self.examples.append(each)

    def spread_examples(self) -> list[Mended]:
        """Return as many examples as are wanted, of each reason and function in turn."""
        seen = Counter[tuple[str, str]]()
        ranked: list[tuple[int, Mended]] = []
        for each in self.examples:
            ranked.append((seen[each.reason, each.label], each))
            seen[each.reason, each.label] += 1
        return [each for _, each in sorted(ranked, key=itemgetter(0))][: self.examples_wanted]

    def as_json(self) -> list[dict[str, Any]]:
        """Return a row for each reason and function that did anything."""
        return [
            {
                "reason": reason,
                "function": label,
                "sound": self.sound[reason, label],
                "still_corrupt": self.failed[reason, label],
                "errors": self.errors[reason, label],
                "first_error": self.first_errors.get(label),
            }
            for reason, label in sorted({*self.sound, *self.failed, *self.errors})
        ]

    @property
    def warnings(self) -> list[str]:
        """Describe the number of errors of each function, and its first error."""
        return [
            f"{label}: {sum(count for (_, each), count in self.errors.items() if each == label):,} errors; the first: "
            f"{error}. These records stay as they are"
            for label, error in sorted(self.first_errors.items())
        ]

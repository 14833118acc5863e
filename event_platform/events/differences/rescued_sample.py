"""A sample of an event type's `_rescued` texts: the fields without a column."""

from collections import defaultdict

from event_platform.events.differences.schema_paths import SchemaPaths
from event_platform.events.drift import Outcome, Path, RescuedReader
from event_platform.events.rescue import Rescuer
from event_platform.events.shapes import Shape, decode


class RescuedSample:
    """Shapes and examples of the fields in `_rescued` texts, by path of keys.

    Fields that have a column now (in texts from days built with an earlier catalog) get no shape.
    """

    def __init__(self, paths: SchemaPaths) -> None:
        """Take the schema of the type."""
        columns, self._paths = paths.event_type.columns, paths
        self._reader, self._rescuer = RescuedReader(columns), Rescuer(columns, frozenset())
        self.seen: set[Path] = set()
        self.shapes: dict[Path, Shape] = defaultdict(Shape)
        self.examples: dict[Path, str] = {}  # JSON

    def add(self, text: str) -> None:
        """Add a text."""
        self.seen.update(self._paths.present_path(path) for _, path, _ in self._reader.read(text))
        _, rest = self._rescuer.split(text)
        for outcome, path, raw in self._reader.read(rest or "{}"):
            if outcome is not Outcome.WHOLE_RECORD:
                value, present_path = bytes(raw).decode(), self._paths.present_path(path)
                self.shapes[present_path].add(decode(f'{{"value":{value}}}')["value"], depth=len(present_path))
                self.examples.setdefault(present_path, value)

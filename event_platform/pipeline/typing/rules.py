"""The rules that tables are typed with: a fingerprint of them is in the log for each partition, and their text once."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from event_platform.events.catalog import Catalog, EventType
from event_platform.events.envelope import Envelope
from event_platform.events.evolution.table_rules import envelope_rules, table_rules
from event_platform.pipeline.fingerprint import fingerprint_of, rules_text


@dataclass(frozen=True)
class BuildRules:
    """What rows depend on besides their records: `rules` (JSON values) and the release. `derived` follows from them."""

    rules: tuple[Any, ...]
    derived: tuple[Any, ...] = ()
    release: str | None = None  # default: this release

    @cached_property
    def fingerprint(self) -> int:
        """The build fingerprint."""
        return fingerprint_of(rules_text(*self.rules, built_by=self.release))

    @cached_property
    def text(self) -> str:
        """All of it, as a JSON array."""
        return rules_text(*self.rules, *self.derived, built_by=self.release)


def event_rules(event_type: EventType, envelope: Envelope, release: str | None = None) -> BuildRules:
    """Return the rules of an event table, as `compare_rules` takes their text."""
    return BuildRules((table_rules(event_type), envelope.definition), (envelope_rules(envelope),), release)


def unregistered_rules(catalog: Catalog) -> BuildRules:
    """Return the rules of unregistered_events."""
    return BuildRules((sorted(catalog.names), catalog.envelope.definition))


def release_in(text: str) -> str:
    """Return the release that built with the rules of this text."""
    return str(json.loads(text)[0])

"""The rules that tables are typed with, as texts: their fingerprints are in the logs of the tables."""

import json

from event_platform.events.catalog import Catalog, EventType
from event_platform.events.envelope import Envelope
from event_platform.events.evolution.table_rules import table_rules
from event_platform.pipeline.fingerprint import rules_text


def event_rules(event_type: EventType, envelope: Envelope, built_by: str | None = None) -> str:
    """Return the rules of an event table; `built_by` is a release, by default this one."""
    return rules_text(table_rules(event_type), envelope.definition, built_by=built_by)


def unregistered_rules(catalog: Catalog) -> str:
    """Return the rules of unregistered_events."""
    return rules_text(sorted(catalog.names), catalog.envelope.definition)


def release_in(text: str) -> str:
    """Return the release that built with these rules."""
    return str(json.loads(text)[0])

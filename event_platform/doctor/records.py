"""The check of the records in landing: whether the envelope of the catalog reads them."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl

from event_platform.doctor.finding import Finding, bad, good, skipped
from event_platform.events.catalog import ENVELOPE_FILE
from event_platform.events.classification import classify
from event_platform.events.envelope import Envelope
from event_platform.events.envelope_file import load_envelope
from event_platform.events.errors import CatalogError, LandingError
from event_platform.events.read_counts import ReadCounts, explain
from event_platform.events.wrappers import open_reader
from event_platform.landing.landing import Landing
from event_platform.landing.omissions import Omissions
from event_platform.landing.sampling import sample

#: Number of reasons in the message.
_SHOWN = 3

_ENVELOPE = "correct envelope.yaml; `event-platform init --force` proposes one that fits what has landed"


def check_sample(landing: Landing, catalog: Path, first_date: date) -> Finding:
    """Read a sample of landing with a catalog's envelope, and report how much is sound."""
    name = "sampled records"
    try:
        counts = ReadCounts(load_envelope(catalog / ENVELOPE_FILE))
        for rows in _sampled(landing, counts.envelope, first_date):
            counts.add(rows)
    except (CatalogError, LandingError) as error:
        return skipped(name, f"they cannot be read: {error}")
    if not counts.records:
        return skipped(name, "nothing has landed yet")
    message = f"{counts.sound:,} of {counts.records:,} are sound"
    ranked = list(counts.ranked())[:_SHOWN]
    reasons = "; ".join(f"{count:,} {reason}: {explain(reason, counts.envelope)}" for reason, count, _ in ranked)
    message = f"{message}; {reasons}" if reasons else message
    doubt = counts.doubt_of_units() or counts.doubt_of_ids()
    if not counts.is_mostly_sound or doubt:
        return bad(name, f"{message}; {doubt}" if doubt else message, _ENVELOPE)
    return good(name, message)


def _sampled(landing: Landing, envelope: Envelope, first_date: date) -> Iterator[pl.DataFrame]:
    reader = open_reader(envelope)
    for item in sample(landing, Omissions()):
        yield classify(reader.read(item.data), envelope, item.landed_object.arrival_date, first_date)

"""A stream as a system delivers it, and what its tables are to hold.

The records are in `records`, one a line. The envelope of each stream is the one that `docs/reference/streams.md` shows.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_RECORDS = Path(__file__).parent / "records"
_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "streams.md"

#: A section of the page: its title, and the envelope in it.
_SECTION = re.compile(r"^## (?P<title>.+)\n(?:(?!## ).*\n)*?```yaml\n(?P<envelope>(?:.*\n)*?)```$", re.MULTILINE)

Record = dict[str, Any]


@dataclass(frozen=True)
class Stream:
    """Objects by their names in landing, and what is in them.

    `records` are the sound records by their ids, with the fields that the envelope takes from around them. `corrupt`
    counts the others by reason, `redelivered` those that are in landing once more.
    """

    title: str
    objects: Mapping[str, bytes]
    records: Mapping[str, Record]
    corrupt: Mapping[str, int] = field(default_factory=dict)
    redelivered: int = 0

    @property
    def envelope(self) -> dict[str, Any]:
        """What `envelope.yaml` says."""
        return documented_envelopes()[self.title]


@cache
def documented_envelopes() -> dict[str, dict[str, Any]]:
    """Return the envelopes of the page, by the titles of their sections."""
    sections = _SECTION.finditer(_PAGE.read_text("utf-8"))
    return {section["title"]: yaml.safe_load(section["envelope"]) for section in sections}


def lines(name: str) -> list[str]:
    """Return the lines of a file in `records`."""
    return (_RECORDS / f"{name}.jsonl").read_text("utf-8").splitlines()


def records(name: str) -> list[Record]:
    """Return the lines of a file in `records`, decoded."""
    return [json.loads(line) for line in lines(name)]


def by_id(found: Iterable[Record], make_id: Callable[[Record], Any]) -> dict[str, Record]:
    """Return records by their ids."""
    return {str(make_id(record)): record for record in found}


def by_hash(texts: Iterable[str]) -> dict[str, Record]:
    """Return records by the documented hash of their bodies: 128 bits of SHA-256."""
    return {hashlib.sha256(text.encode()).hexdigest()[:32]: json.loads(text) for text in texts}


def compact(record: Record) -> str:
    """Return JSON as most systems write it: without blanks, and with characters as they are."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def by_firehose(delivery_stream: str, suffix: str = "") -> str:
    """Return the name that Firehose gives to an object."""
    return f"2025/06/02/12/{delivery_stream}-1-2025-06-02-12-20-00-6f1c7a52-0c3e-4b7e-9d0a-3d2b1a0f9e8d{suffix}"

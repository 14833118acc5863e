"""Random payloads that conform to a schema, as JSON text."""

import json
import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

#: Different payloads made for each event type. Records also differ in their user, session, uuid and time.
_POOL = 96

#: Probability that an optional field is present, and that a boolean is true.
_OPTIONAL, _TRUE = 0.8, 0.7

#: Set for each record, so not part of the pool.
PER_RECORD = ("user_id", "session_id")

_WORDS = """
agua biblioteca caminar dormir escribir familia guitarra hablar invierno jardín kilómetro libro mañana noche otoño
pájaro queso reír sueño tren uva viaje zapato apprendre bonjour château déjeuner école fenêtre gâteau hiver île jouer
lumière maison neige oiseau pluie rivière soleil théâtre voiture Apfel Brücke Fenster Frühling Garten Haus Käse Lampe
Mädchen Straße Vögel Wasser Zug 猫 犬 水 本 友達 学校 先生 кіт вода книга школа дім річка
""".split()  # noqa: SIM905 - a list of them would take a screen
_START = datetime(2025, 1, 1, tzinfo=UTC)
_DIGITS = re.compile(r"\[([^\]]+)\]\{(\d+)\}|\[([^\]]+)\]\+")


def payload_pools(folder: Path, seed: int) -> dict[str, list[str]]:
    """Return payloads for each event name of a catalog, as JSON without the outer braces (`"a": 1, "b": 2`)."""
    pools = {}
    for path in sorted(folder.glob("*.yaml")):
        schema = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        if "title" in schema:
            rng = random.Random(f"{seed}:{schema['title']}")  # noqa: S311 - a sample, no secret
            pools[schema["title"]] = [_inside(schema, rng) for _ in range(_POOL)]
    return pools


def _inside(schema: Mapping[str, Any], rng: random.Random) -> str:
    properties = {key: value for key, value in schema["properties"].items() if key not in PER_RECORD}
    payload = _object({**schema, "properties": properties}, rng)
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))[1:-1]


def _object(schema: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
    required = schema.get("required", [])
    return {
        key: _value(definition, rng)
        for key, definition in schema["properties"].items()
        if key in required or rng.random() < _OPTIONAL
    }


def _value(definition: Mapping[str, Any], rng: random.Random) -> Any:
    match definition["type"]:
        case "object":
            return _object(definition, rng)
        case "array":
            return [_value(definition["items"], rng) for _ in range(rng.randrange(4))]
        case "boolean":
            return rng.random() < _TRUE
        case "integer":
            return rng.randint(definition["minimum"], definition["maximum"])
        case "number":
            return round(rng.uniform(definition.get("minimum", 0), definition.get("maximum", 1)), 3)
        case _:
            return _text(definition, rng)


def _text(definition: Mapping[str, Any], rng: random.Random) -> str:
    if choices := definition.get("enum") or definition.get("examples"):
        return str(rng.choice(choices))
    if "pattern" in definition:
        return _DIGITS.sub(lambda match: _characters(match, rng), definition["pattern"].strip("^$")).replace("\\", "")
    moment = _START + timedelta(seconds=rng.randrange(10**8))
    if "format" in definition:
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ" if definition["format"] == "date-time" else "%Y-%m-%d")
    return " ".join(rng.choices(_WORDS, k=rng.randint(1, 3)))


def _characters(match: re.Match[str], rng: random.Random) -> str:
    alphabet = {"0-9": "0123456789", "0-9a-f": "0123456789abcdef", "a-z": "abcdefghijklmnopqrstuvwxyz"}
    count = int(match[2]) if match[2] else rng.randint(1, 2)
    return "".join(rng.choices(alphabet[match[1] or match[3]], k=count))

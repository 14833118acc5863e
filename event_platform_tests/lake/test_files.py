"""What is written to a file is read from it again, whatever it is made of."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from event_platform.lake import files
from event_platform.lake.files import FileWriter, by_name
from event_platform.lake.storage import Storage
from event_platform_tests.world import MONDAY

TEXTS = [None, "", "short", "a text that is longer than twelve bytes", "\U0001f600" * 40]


def made_of(kind: str, number: int) -> Any:
    """Return a value of a kind; of each there are nulls, repeated ones and others."""
    text = TEXTS[number % 5] if number % 2 else f"one of its own, number {number}"
    return {
        "text": text,
        "texts": None if number % 7 == 0 else [text, None, "x"][: number % 4],
        "object": None if number % 7 == 0 else {"os": text, "version": number},
        "objects": None if number % 7 == 0 else [{"id": number, "name": text}] * (number % 3),
        "deep": {"a": {"b": [{"c": text}]}},
    }[kind]


@pytest.mark.parametrize("kind", ["text", "texts", "object", "objects", "deep"])
def test_texts_wherever_they_are_come_back(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several row groups, of several frames, some of which are parts of larger ones or sorted anew."""
    monkeypatch.setattr(files, "_ROWS_PER_GROUP", 64)
    frame = pl.DataFrame({"number": range(1_000), "value": [made_of(kind, number) for number in range(1_000)]})
    parts = [frame.slice(300, 500), frame.sort("number", descending=True).head(200), frame.head(100)]
    file = FileWriter(Storage(str(tmp_path)), "t", "created_date", MONDAY)
    for part in parts:
        file.write(part)
    path = tmp_path / "t" / file.close().path
    assert pl.read_parquet(path, hive_partitioning=False).equals(pl.concat(parts))


def test_records_are_put_in_the_order_of_their_names() -> None:
    """That of bytes, in which readers compare texts too; those of one name stay in the order that they had."""
    names = ["b", "é", "a", "B", "b", "a:b", "a", "\U0001f600", "b"]
    ordered = by_name(pl.DataFrame({"event_name": names, "place": range(len(names))}))
    assert ordered["event_name"].to_list() == sorted(names, key=str.encode)
    assert ordered.filter(pl.col("event_name") == "b")["place"].to_list() == [0, 4, 8]
    assert by_name(ordered.clear()).is_empty()

"""docs/how-to/read-the-tables.md stays true: its Python reads the tables, as an analyst would run it."""

import re
from pathlib import Path

import pytest

from event_platform_tests.support.s3 import client
from event_platform_tests.support.world import MONDAY, World, event

DOCUMENT = (Path(__file__).parents[1] / "docs/how-to/read-the-tables.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=["polars", "duckdb"])
def test_the_snippets_read_a_table_on_s3(
    world: World, bucket: str, snippet: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the standard AWS variables alone."""
    world.deliver(MONDAY, "a", *(event(f"l{number}", name="lesson:started") for number in range(7)))
    world.load(MONDAY)
    world.deduplicate(MONDAY)
    world.type(MONDAY, keys=["lesson_started"])
    for path in (world.root / "lake" / "events").rglob("*"):
        if path.is_file():
            key = path.relative_to(world.root).as_posix()
            client().put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")  # of the server here, which is none of AWS
    exec(compile(snippet.replace("my-lake", bucket), "read-the-tables.md", "exec"), {})  # noqa: S102 - our own document
    printed = capsys.readouterr().out
    assert "started" in printed
    assert "7" in printed

"""How many requests a command makes of S3: a count is no time, so more than the budget is a failure."""

import re
from collections import Counter
from pathlib import Path

import pytest

from event_platform.lake import app_transactions, file_figures, history, snapshot_cache
from event_platform_tests.support.command import call, use
from event_platform_tests.support.faulty_s3 import FaultyS3
from event_platform_tests.support.s3 import new_bucket, put, use_s3
from event_platform_tests.support.world import MONDAY, World, event, ndjson

pytestmark = pytest.mark.xdist_group("s3 requests")

#: Tables of the platform, with those of three event types.
TABLES = 9

#: Requests of a command, by what happened before it. To look at a table takes two; to open one in a new container, of
#: which nothing is kept, takes two, and one for each of its commits. The figures of a month take one, what checks found
#: in it another, and so does each page that a report writes: of a day, of the lake, of each event type that changed.
BUDGET = {
    "the first load": 119,
    "nothing new": 20,
    "one object more": 87,
    "nothing new again": 20,
    "status": 23,
    "status in a new container": 52,
    "the last of six objects": 113,
}

#: Nothing is read of the files that an event table has already, of which there may be hundreds. Those of lesson_started
#: are the input of an asset.
DATA_FILE = re.compile(r"/events/(?!lesson_started).*\.parquet")


def test_a_command_makes_no_more_requests_than_its_budget(
    proxy: FaultyS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each as a process of its own would: it has opened no table before, and others of the same user have."""
    use_s3(monkeypatch, proxy.endpoint)
    monkeypatch.setattr(snapshot_cache, "_RECENT", 3600)  # the machine may be slow: what is counted is no time
    world, bucket = World(tmp_path), new_bucket()
    places = {"EVENT_PLATFORM_LANDING": f"s3://{bucket}/landing", "EVENT_PLATFORM_LAKE": f"s3://{bucket}/lake"}
    use(monkeypatch, world)
    for name, value in places.items():
        monkeypatch.setenv(name, value)

    def requests(*command: str) -> Counter[str]:
        for cache in (snapshot_cache._CACHE, app_transactions._CACHE, history._CACHE, file_figures._CACHE):
            cache.clear()
        proxy.set()
        assert "balanced: nothing is lost" in call(*command)
        return Counter(each.method for each in proxy.requests())

    put(bucket, "landing/2025/06/02/12/a", ndjson(*(event(f"u{number}") for number in range(5))))
    counts = {"the first load": requests("run"), "nothing new": requests("run")}
    put(bucket, "landing/2025/06/02/12/b", ndjson(event("v1", MONDAY), event("v2", name="lesson:started")))
    counts |= {"one object more": requests("run"), "nothing new again": requests("run"), "status": requests("status")}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
    counts |= {"status in a new container": requests("status")}
    monkeypatch.delenv("XDG_CACHE_HOME")
    for number in range(4):
        put(bucket, f"landing/2025/06/02/12/c{number}", ndjson(event(f"w{number}"), event("u1"), "{broken"))
        counts["the last of six objects"] = requests("run")
    assert not [each.path for each in proxy.requests() if each.method == "GET" and DATA_FILE.search(each.path)]
    assert {
        name: requests_made.total() for name, requests_made in counts.items() if requests_made.total() > BUDGET[name]
    } == {}, counts
    assert sum(counts["nothing new"].values()) < 3 * TABLES

"""Figures of files in a bucket are read once by all processes of a user."""

import os
import shutil
import time
from pathlib import Path

import pytest

from event_platform.events.figures import OBJECTS
from event_platform.lake import file_figures, kept_figures
from event_platform.lake.file_figures import read_figure
from event_platform.lake.tables import Table
from event_platform.pipeline.opening import open_lake
from event_platform_tests.support.command import call, use
from event_platform_tests.support.faulty_s3 import FaultyS3
from event_platform_tests.support.s3 import new_bucket, put, use_s3
from event_platform_tests.support.world import World, event, ndjson

pytestmark = pytest.mark.xdist_group("s3 requests")


@pytest.fixture
def raw(proxy: FaultyS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    """raw_events in a bucket, with two files."""
    use_s3(monkeypatch, proxy.endpoint)
    bucket = new_bucket()
    use(monkeypatch, World(tmp_path))
    for name in ("landing", "lake"):
        monkeypatch.setenv(f"EVENT_PLATFORM_{name.upper()}", f"s3://{bucket}/{name}")
    for number in range(2):
        put(bucket, f"landing/2025/06/02/12/{number}", ndjson(event(f"u{number}")))
        call("run")
    return open_lake(f"s3://{bucket}/lake").raw_events


def kept_file() -> Path:
    """Return what is kept of raw_events, which alone has figures of objects."""
    folder = Path.home() / ".cache" / "event-platform" / "figures"
    (found,) = (path for path in folder.iterdir() if b'"objects"' in path.read_bytes())
    return found


def footers_read(table: Table, proxy: FaultyS3) -> int:
    """Read a figure as a new process does; return how many footers that took."""
    file_figures._READ.clear()
    snapshot = table.snapshot()
    proxy.set()
    assert read_figure(table, snapshot.files(), OBJECTS)["landed"].to_list() == [1, 1]
    return sum(each.path.endswith(".parquet") for each in proxy.requests())


def test_no_process_reads_what_another_one_has_written(raw: Table, proxy: FaultyS3) -> None:
    """In a new container, of which nothing is kept, one does, and the next ones do not."""
    assert footers_read(raw, proxy) == 0
    kept_file().unlink()
    assert [footers_read(raw, proxy), footers_read(raw, proxy)] == [2, 0]


def test_figures_are_used_as_they_were_written_or_not_at_all(raw: Table, proxy: FaultyS3) -> None:
    """The footers are read then, and their figures kept, unless the folder cannot be used."""
    file = kept_file()
    whole = file.read_bytes()
    for spoiled in (
        whole[: len(whole) // 4],
        whole.replace(b'"landed":[1]', b'"landed":[7]'),
        b"\xff\n" * 1_000,
    ):
        file.write_bytes(spoiled)
        assert [footers_read(raw, proxy), footers_read(raw, proxy)] == [2, 0]
    file.parent.chmod(0o777)
    assert [footers_read(raw, proxy), footers_read(raw, proxy)] == [2, 2]
    shutil.rmtree(file.parent)
    file.parent.write_bytes(b"")
    assert [footers_read(raw, proxy), footers_read(raw, proxy)] == [2, 2]


def age(path: Path) -> None:
    """Have a file be of the day before."""
    then = time.time() - 24 * 60 * 60
    os.utime(path, (then, then))


def test_what_is_kept_is_for_the_user_alone_and_begins_again_each_day(
    raw: Table, proxy: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is too long; what is asked for is kept again."""
    file = kept_file()
    assert (file.parent.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    (first, *_), lines = raw.snapshot().files(), file.read_bytes().split()
    assert len(lines) == 2
    text = kept_figures.load_figures(raw, [first.path])[first.path]
    for spoil in ("age", "length"):
        if spoil == "age":
            age(file)
        else:
            monkeypatch.setattr(kept_figures, "_MOST_BYTES", len(file.read_bytes()))
        kept_figures.keep_figures(raw, {first.path: text})
        assert len(file.read_bytes().split()) == 1
        assert [footers_read(raw, proxy), footers_read(raw, proxy)] == [1, 0]
        assert len(file.read_bytes().split()) == 2

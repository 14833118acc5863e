"""What a consumer writes to: a folder and a bucket behave alike."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from event_platform.events.errors import StorageError
from event_platform.landing.folder import FolderLanding
from event_platform.storage.opening import open_store
from event_platform.storage.store import ChangedError, Entry, Store
from event_platform_tests.storage.stores import assert_one_wins
from event_platform_tests.support.faulty_s3 import LOST_ANSWER, RESET, FaultyS3, Rule
from event_platform_tests.support.s3 import use_s3

Listed = TypeVar("Listed")


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A folder that is not there yet, or a prefix of a bucket."""
    if request.param == "folder":
        return open_store(str(tmp_path / "new"))
    return open_store(f"s3://{request.getfixturevalue('bucket')}/prefix")


def test_what_is_written_can_be_read_and_found_by_the_beginning_of_its_name(store: Store) -> None:
    """Nothing is there before; what is written again takes its place."""
    assert store.read_tagged("a/b/one-1.gz") is None
    assert store.names("a/b/one-") == []
    for name in ("a/b/one-1.gz", "a/b/one-22.gz", "a/b/other.gz", "a/one-3.gz"):
        store.write_durably(name, b"old")
        store.write_durably(name, name.encode())
    tagged = store.read_tagged("a/b/one-22.gz")
    assert tagged is not None
    assert tagged[0] == b"a/b/one-22.gz"
    assert sorted(store.names("a/b/one-")) == ["a/b/one-1.gz", "a/b/one-22.gz"]


def test_only_what_is_as_expected_is_replaced(store: Store) -> None:
    """So that of two that do, one is refused, and can tell."""
    first = store.swap("x.json", b"1", None)
    with pytest.raises(ChangedError, match=r"x\.json"):
        store.swap("x.json", b"other", None)
    second = store.swap("x.json", b"2", first)
    with pytest.raises(ChangedError):
        store.swap("x.json", b"other", first)
    assert store.read_tagged("x.json") == (b"2", second)


def test_what_is_created_is_whole_and_not_replaced(store: Store) -> None:
    """So that of two that do, one is refused, and nobody lists what is not there yet."""
    assert store.create("a/b/x.json", b"1") == store.tag("a/b/x.json")
    with pytest.raises(ChangedError, match=r"x\.json"):
        store.create("a/b/x.json", b"other")
    assert store.read("a/b/x.json") == b"1"
    assert [each.name for page in store.pages("a/") for each in page] == ["a/b/x.json"]


def test_of_many_at_once_one_wins(store: Store) -> None:
    """`test_chain.py` has the same of a store that nobody helps with that."""
    assert_one_wins(store)


def test_an_answer_that_was_lost_is_no_refusal(bucket: str, proxy: FaultyS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """The retried put finds its own object."""
    use_s3(monkeypatch, proxy.endpoint)
    store = open_store(f"s3://{bucket}/p")
    proxy.set(*(Rule("PUT", "p/x.json", fault) for fault in (LOST_ANSWER, "SlowDown", RESET)))
    tag = store.swap("x.json", b"1", None)
    assert store.read_tagged("x.json") == (b"1", tag)
    proxy.set(Rule("PUT", "p/x.json", "InternalError"), Rule("PUT", "p/x.json", LOST_ANSWER))
    tag = store.swap("x.json", b"2", tag)
    assert store.read_tagged("x.json") == (b"2", tag)
    with pytest.raises(ChangedError):
        store.swap("x.json", b"3", None)


def test_a_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there stays when the disk is full; no reader of landing ever sees a part of a file."""
    store = open_store(str(tmp_path))
    store.write_durably("2025/06/02/12/a.gz", b"old")
    contents: list[str] = []

    def full(_descriptor: int) -> None:
        contents.extend(each.name for each in FolderLanding(tmp_path).list_objects())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match=r"a\.gz.*No space left"):
        store.write_durably("2025/06/02/12/a.gz", b"new")
    tagged = store.read_tagged("2025/06/02/12/a.gz")
    assert tagged is not None
    assert tagged[0] == b"old"
    assert contents == ["2025/06/02/12/a.gz"]
    assert [path.name for path in (tmp_path / "2025/06/02/12").iterdir()] == ["a.gz"]


def test_a_file_that_goes_while_its_folder_is_listed_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other consumers write beside, each file under a hidden name first."""
    store = open_store(str(tmp_path))
    walk, iterdir = os.walk, Path.iterdir

    def gone(listed: Iterable[Listed]) -> Iterator[Listed]:
        found = list(listed)
        (tmp_path / "a/.partial").unlink()
        yield from found

    monkeypatch.setattr("os.walk", lambda folder, onerror: gone(walk(folder, onerror=onerror)))
    monkeypatch.setattr(Path, "iterdir", lambda path: gone(iterdir(path)))
    listings: list[Callable[[], list[Entry]]] = [
        lambda: [each for page in store.pages("a/") for each in page],
        lambda: store.list_folder("a/")[0],
    ]
    for listed in listings:
        for name in ("a/kept", "a/.partial"):
            store.write_durably(name, b"1")
        assert [each.name for each in listed()] == ["a/kept"]


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there_is_named() -> None:
    """With every call."""
    store = open_store("s3://nowhere-at-all/landing")
    for attempt in (
        lambda: store.write_durably("a", b""),
        lambda: store.swap("a", b"", None),
        lambda: store.names("a/"),
    ):
        with pytest.raises(StorageError, match=r"s3://nowhere-at-all/landing/a.*: NoSuchBucket: .*Create the bucket"):
            attempt()

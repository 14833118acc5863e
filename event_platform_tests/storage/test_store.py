"""What a consumer writes to: a folder and a bucket behave alike."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from event_platform.events.errors import StorageError
from event_platform.landing.landing import FolderLanding
from event_platform.storage.store import BucketStore, ChangedError, Store, open_store
from event_platform_tests.storage.stores import assert_one_wins

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A folder that is not there yet, or a prefix of a bucket."""
    if request.param == "folder":
        return open_store(str(tmp_path / "new"))
    return open_store(f"s3://{request.getfixturevalue('bucket')}/prefix")


def test_what_is_written_can_be_read_and_found_by_the_beginning_of_its_name(store: Store) -> None:
    """Nothing is there before; what is written again takes its place."""
    assert store.read("a/b/one-1.gz") is None
    assert store.names("a/b/one-") == []
    for name in ("a/b/one-1.gz", "a/b/one-22.gz", "a/b/other.gz", "a/one-3.gz"):
        store.write(name, b"old")
        store.write(name, name.encode())
    found = store.read("a/b/one-22.gz")
    assert found is not None
    assert found[0] == b"a/b/one-22.gz"
    assert sorted(store.names("a/b/one-")) == ["a/b/one-1.gz", "a/b/one-22.gz"]


def test_only_what_is_as_expected_is_replaced(store: Store) -> None:
    """So that of two that do, one is refused, and can tell."""
    first = store.swap("x.json", b"1", None)
    with pytest.raises(ChangedError, match=r"x\.json"):
        store.swap("x.json", b"other", None)
    second = store.swap("x.json", b"2", first)
    with pytest.raises(ChangedError):
        store.swap("x.json", b"other", first)
    assert store.read("x.json") == (b"2", second)


def test_of_many_at_once_one_wins(store: Store) -> None:
    """`test_chain.py` has the same of a store that nobody helps with that."""
    assert_one_wins(store)


def test_an_answer_that_was_lost_is_no_refusal(bucket: str) -> None:
    """boto3 asks again, and what it finds there is what it has written."""

    class Forgetful:
        def __init__(self, client: "S3Client") -> None:
            self._client = client

        def put_object(self, **arguments: Any) -> Any:
            self._client.put_object(**arguments)
            return self._client.put_object(**arguments)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._client, name)

    sound = open_store(f"s3://{bucket}/p")
    assert isinstance(sound, BucketStore)
    store = BucketStore(bucket, "p/", Forgetful(sound.client))  # type: ignore[arg-type]
    tag = store.swap("x.json", b"1", None)
    assert store.read("x.json") == (b"1", tag)
    tag = store.swap("x.json", b"2", tag)
    assert store.read("x.json") == (b"2", tag)


def test_a_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there stays when the disk is full; no reader of landing ever sees a part of a file."""
    store = open_store(str(tmp_path))
    store.write("2025/06/02/12/a.gz", b"old")
    seen: list[str] = []

    def full(_descriptor: int) -> None:
        seen.extend(each.name for each in FolderLanding(tmp_path).list_objects())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match=r"a\.gz.*No space left"):
        store.write("2025/06/02/12/a.gz", b"new")
    found = store.read("2025/06/02/12/a.gz")
    assert found is not None
    assert found[0] == b"old"
    assert seen == ["2025/06/02/12/a.gz"]
    assert [path.name for path in (tmp_path / "2025/06/02/12").iterdir()] == ["a.gz"]


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there_is_named() -> None:
    """With every call."""
    store = open_store("s3://nowhere-at-all/landing")
    for attempt in (
        lambda: store.write("a", b""),
        lambda: store.swap("a", b"", None),
        lambda: store.names("a/"),
    ):
        with pytest.raises(StorageError, match="s3://nowhere-at-all/landing/a") as caught:
            attempt()
        assert isinstance(caught.value.__cause__, ClientError)

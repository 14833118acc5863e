"""The location of a lake, and that nothing shows its credentials."""

import pickle
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from event_platform.events.errors import SettingError
from event_platform.pipeline.opening import open_lake
from event_platform.storage.storage import Storage
from event_platform_tests.support.s3 import ACCESS_KEY, REGION, SECRET_KEY, client, use_s3


@pytest.mark.parametrize(
    ("root", "uri", "local"),
    [
        ("/data/lake", "/data/lake/events/a/x.parquet", True),
        ("/data/lake/", "/data/lake/events/a/x.parquet", True),
        ("s3://bucket", "s3://bucket/events/a/x.parquet", False),
        ("s3://bucket/lake/", "s3://bucket/lake/events/a/x.parquet", False),
    ],
)
def test_an_address_is_below_the_root(root: str, uri: str, *, local: bool) -> None:
    """With one slash in between, however the root was written."""
    storage = Storage(root)
    assert storage.uri("events/a", "x.parquet") == uri
    assert storage.is_local is local


def test_a_file_is_written_whole_and_its_folders_with_it(tmp_path: Path) -> None:
    """A new partition has no folder yet."""
    storage = Storage(str(tmp_path))
    storage.write(storage.uri("events/a", "x"), b"content")
    assert (tmp_path / "events" / "a" / "x").read_bytes() == b"content"


def test_on_s3_a_file_is_an_object(bucket: str, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written with the options alone: a worker elsewhere may have no variables."""
    options = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY, "region": REGION, "endpoint": s3_endpoint}
    storage = Storage(f"s3://{bucket}/lake", options)
    with monkeypatch.context() as bare:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
            bare.delenv(name)
        storage.write(storage.uri("a", "x"), b"content")
    assert client().get_object(Bucket=bucket, Key="lake/a/x")["Body"].read() == b"content"


def test_the_sizes_of_files_are_listed_by_their_paths(bucket: str, tmp_path: Path) -> None:
    """Below one folder, however deep; nothing where there is no such folder."""
    for storage in (Storage(str(tmp_path)), open_lake(f"s3://{bucket}/lake").storage):
        for name, size in (("a/d=1/x", 3), ("a/y", 5), ("ab/z", 7)):
            storage.write(storage.uri(name), b"." * size)
        assert storage.sizes("a") == {"a/d=1/x": 3, "a/y": 5}
        assert storage.sizes("a", "d=1") == {"a/d=1/x": 3}
        assert storage.sizes("none") == {}


def test_options_are_never_shown() -> None:
    """Not by the storage, nor by what holds it, nor after a journey to another process."""
    storage = Storage("s3://bucket/lake", {"secret_access_key": SECRET_KEY})
    arrived = pickle.loads(pickle.dumps(storage))  # noqa: S301 - our own
    assert arrived == storage
    assert SECRET_KEY not in f"{storage!r} {storage} {[arrived]}"


class _CarelessStore(BaseHTTPRequestHandler):
    """Takes every object, whatever the request says."""

    def do_PUT(self) -> None:
        """Say that all is well."""
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.send_header("ETag", '"any"')
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_store_that_ignores_conditions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would silently lose one of two concurrent commits."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _CarelessStore)
    Thread(target=server.serve_forever, daemon=True).start()
    use_s3(monkeypatch, f"http://127.0.0.1:{server.server_port}")
    try:
        with pytest.raises(SettingError, match=r"s3://careless/lake: the store ignores If-None-Match"):
            open_lake("s3://careless/lake").storage.check()
    finally:
        server.shutdown()
        server.server_close()


def test_a_store_with_conditional_puts_is_taken(bucket: str) -> None:
    """However often it is asked."""
    storage = open_lake(f"s3://{bucket}/lake").storage
    storage.check()
    storage.check()


def test_scratch_leaves_nothing(tmp_path: Path, bucket: str, s3_endpoint: str, today: date) -> None:
    """Neither the folder itself nor, two days later, leftovers of a killed run; the lake's files stay."""
    options = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY, "region": REGION, "endpoint": s3_endpoint}
    for storage in (Storage(str(tmp_path)), Storage(f"s3://{bucket}/lake", options)):
        for path in (f"_scratch/{today}-a/1", "_scratch/2025-01-01-b/1", "_scratch_data/1"):
            storage.write(storage.uri(path), b"content")
        with storage.scratch() as folder:
            storage.write(f"{folder}/1", b"content")
            assert len(storage.folders("_scratch")) == 2
        assert storage.folders("_scratch") == [f"{today}-a"]
        assert storage.read(storage.uri("_scratch_data/1")) == b"content"

"""Landing: which objects there are, on which day they arrived, and what a day's listing leaves out."""

import errno
import io
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from event_platform.events.errors import LandingError, UnreadableError
from event_platform.lake.landing import FolderLanding, Landing, S3Landing
from event_platform.provision import open_landing
from event_platform_tests.s3 import KEYS_ON_A_PAGE, client, put

MONDAY, TUESDAY = date(2025, 6, 2), date(2025, 6, 3)


@dataclass
class Place:
    """A landing zone, and how an object gets there."""

    landing: Landing
    put: Callable[[str, bytes], None]
    root: str

    def fill(self, *names: str) -> None:
        """Land objects with some content."""
        for name in names:
            self.put(name, b"{}")

    def names(self, dates: Iterable[date] | None = None) -> list[str]:
        """List, in the order of names; an object listed twice is here twice."""
        return sorted(landed.name for landed in self.landing.list_objects(dates))


def _folder(root: Path) -> Place:
    def write(name: str, data: bytes) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)

    return Place(FolderLanding(root), write, str(root))


def _s3(bucket: str) -> Place:
    landing = open_landing(f"s3://{bucket}/in/here")
    return Place(landing, lambda name, data: put(bucket, f"in/here/{name}", data), f"s3://{bucket}/in/here")


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A landing zone in a folder, and one on S3: they promise the same."""
    return _s3(request.getfixturevalue("bucket")) if request.param == "s3" else _folder(tmp_path / "landing")


@pytest.mark.parametrize(
    "name",
    [
        "2025/06/02/12/a.gz",
        "2025/06/02/a.gz",
        "2025/06/02/12/34/a.gz",
        "2025/06/02/12/customer=7/a.gz",
        "app/2025/06/02/12/a.gz",
        "2025/06/02/12/2024/01/01/a.gz",
        "2025/13/01/2025/06/02/12/a.gz",
    ],
)
def test_the_first_date_in_a_path_is_the_day_of_arrival(place: Place, name: str) -> None:
    """Firehose's prefix yyyy/MM/dd[/HH], wherever it is and whatever is below it."""
    place.fill(name)
    (landed,) = place.landing.list_objects([MONDAY])
    assert (landed.name, landed.arrival_date, landed.dated) == (name, MONDAY, True)
    assert place.names([TUESDAY]) == []


@pytest.mark.parametrize(
    "name",
    ["a.gz", "2025/a.gz", "2025/06/a.gz", "2025/02/30/a.gz", "2025-06-02/a.gz", "12025/06/02/a.gz", "2025/6/2/a"],
)
def test_a_path_without_a_date_is_listed_on_any_day(place: Place, name: str) -> None:
    """The ledger may know it under an earlier day than its last change: the listing cannot leave it out."""
    place.fill(name)
    (landed,) = place.landing.list_objects([MONDAY])
    assert (landed.name, landed.dated) == (name, False)
    assert place.names() == [name]


@pytest.mark.parametrize(("clock", "day"), [("2025-06-02T23:59:59", MONDAY), ("2025-06-03T00:00:00", TUESDAY)])
def test_without_a_date_a_file_arrived_when_it_was_last_modified(tmp_path: Path, clock: str, day: date) -> None:
    """Days are days in UTC."""
    place = _folder(tmp_path)
    place.fill("a.gz")
    moment = datetime.fromisoformat(clock).replace(tzinfo=UTC).timestamp()
    os.utime(tmp_path / "a.gz", (moment, moment))
    assert [landed.arrival_date for landed in place.landing.list_objects()] == [day]


def test_without_a_date_an_object_arrived_when_it_was_last_modified(bucket: str) -> None:
    """S3 says when that was."""
    place = _s3(bucket)
    place.fill("a.gz")
    modified = client().head_object(Bucket=bucket, Key="in/here/a.gz")["LastModified"]
    assert [landed.arrival_date for landed in place.landing.list_objects()] == [modified.date()]


def test_hidden_names_and_empty_objects_are_left_out(place: Place) -> None:
    """As Hive and Spark do: `.` or `_` first, in any part of the path."""
    place.fill("2025/06/02/_SUCCESS", "2025/06/02/.a.gz.crc", "_tmp/2025/06/02/a.gz", ".git/b.gz", "2025/06/02/ok_.gz")
    place.put("2025/06/02/empty.gz", b"")
    assert place.names() == ["2025/06/02/ok_.gz"]
    assert place.names([MONDAY]) == ["2025/06/02/ok_.gz"]


def test_a_listing_of_some_days_has_these_and_what_has_no_date_each_once(place: Place) -> None:
    """Names that begin with another's name are no reason to list that one twice."""
    place.fill(
        "a", "ab", "abc/d", "2025/x", "2025/06/x", "2025/06/02/a", "2025/06/03/a", "2025/06/04/a", "2024/06/02/a"
    )
    undated = ["2025/06/x", "2025/x", "a", "ab", "abc/d"]
    assert place.names([MONDAY, TUESDAY]) == sorted(["2025/06/02/a", "2025/06/03/a", *undated])
    assert place.names([]) == undated


def test_on_s3_a_day_can_be_the_name_of_an_object_too(bucket: str) -> None:
    """`2025/06/02` beside `2025/06/02/a`: a folder cannot have both, a bucket can."""
    place = _s3(bucket)
    place.fill("2025/06/02", "2025/06/02/a", "2025")
    assert place.names([MONDAY]) == ["2025", "2025/06/02", "2025/06/02/a"]


def test_s3_pages_are_read_to_the_end(bucket: str) -> None:
    """Pages of objects and pages of folders."""
    place = _s3(bucket)
    others = [f"{year}/06/02/a" for year in range(2000, 2000 + KEYS_ON_A_PAGE)]
    day = [f"2025/06/02/{number:02d}" for number in range(KEYS_ON_A_PAGE + 1)]
    place.fill(*others, *day, "x", "y", "z")
    assert place.names() == sorted([*others, *day, "x", "y", "z"])
    assert place.names([MONDAY]) == sorted([*day, "x", "y", "z"])


@pytest.mark.parametrize("name", ["2025/06/02/a b+c%20é.gz", "2025/06/02/a&b=c#d?.gz"])
def test_names_may_hold_any_character(place: Place, name: str) -> None:
    """A name is listed as it is, and read by it."""
    place.put(name, b"content")
    (landed,) = place.landing.list_objects([MONDAY])
    assert landed.name == name
    assert place.landing.read(landed.name) == b"content"


def test_the_etag_changes_with_the_content(place: Place) -> None:
    """Of equal size, too: a changed object must be told from the one in the ledger."""
    place.put("2025/06/02/a", b"one")
    (before,) = place.landing.list_objects()
    place.put("2025/06/02/a", b"two")
    (after,) = place.landing.list_objects()
    assert before.size == after.size == 3
    assert before.etag != after.etag


def test_an_object_that_is_gone_is_an_error_that_names_it(place: Place) -> None:
    """Deleted between listing and reading."""
    with pytest.raises(LandingError, match=f"^{place.root}/2025/06/02/gone.gz: No"):
        place.landing.read("2025/06/02/gone.gz")


def test_landing_travels_to_other_processes(place: Place) -> None:
    """A task gets it pickled, and reads."""
    place.put("2025/06/02/a", b"content")
    arrived: Landing = pickle.loads(pickle.dumps(place.landing))  # noqa: S301 - our own
    assert arrived.read("2025/06/02/a") == b"content"


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    """Before the first delivery there is none."""
    place = _folder(tmp_path / "none")
    assert place.names() == place.names([MONDAY]) == []


def test_a_bucket_that_is_not_there_is_an_error_that_names_it(bucket: str) -> None:
    """A wrong setting must not look like an empty day."""
    landing = open_landing(f"s3://{bucket}-wrong/in")
    with pytest.raises(LandingError, match=f"^s3://{bucket}-wrong/in/: NoSuchBucket"):
        list(landing.list_objects([MONDAY]))


@pytest.mark.parametrize("unreadable", ["2025/06/02/13", "2025/06/02", "2025/06", "other/deep"])
def test_a_folder_that_cannot_be_read_fails_the_listing_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unreadable: str
) -> None:
    """To take it for an empty one would be to miss what is in it; the next listing, when it can be read, has all."""
    place = _folder(tmp_path)
    place.fill("2025/06/02/12/a", "2025/06/02/13/b", "2025/06/02/14/c", "other/deep/d")
    listed = os.scandir

    def refused(path: str | Path) -> object:
        if Path(path) == tmp_path / unreadable:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listed(path)

    with monkeypatch.context() as refusing:
        refusing.setattr(os, "scandir", refused)
        refusing.setattr(os, "listdir", lambda path: [entry.name for entry in refused(path)])  # type: ignore[attr-defined]
        for dates in (None, [MONDAY]):
            with pytest.raises(LandingError, match=f"^{tmp_path / unreadable}: Permission denied"):
                place.names(dates)
    assert len(place.names([MONDAY])) == len(place.names()) == 4


def test_a_listing_of_s3_that_fails_on_its_second_page_is_an_error_that_names_the_prefix(
    bucket: str,
) -> None:
    """Whatever the first page had; the next listing has all."""
    place = _s3(bucket)
    place.fill(*(f"2025/06/02/12/{number:02d}" for number in range(KEYS_ON_A_PAGE + 1)))
    for dates in (None, [MONDAY]):
        with deny_second_page(place.landing), pytest.raises(LandingError, match=f"^{place.root}/: AccessDenied"):
            place.names(dates)
        assert len(place.names(dates)) == KEYS_ON_A_PAGE + 1


@contextmanager
def deny_second_page(landing: Landing) -> Iterator[None]:
    """Have the store refuse every page of a listing but the first, as it does when a session ends meanwhile."""
    assert isinstance(landing, S3Landing)
    events = landing._client.meta.events

    def refuse(request: AWSPreparedRequest, **_: object) -> Any:
        if "continuation-token" not in str(request.url):
            return None
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        return AWSResponse(str(request.url), 403, {}, RawBody(body))  # type: ignore[arg-type]

    events.register("before-send.s3.ListObjectsV2", refuse)
    try:
        yield
    finally:
        events.unregister("before-send.s3.ListObjectsV2", refuse)


class RawBody(io.BytesIO):
    """The body of an answer, as botocore reads it."""

    def stream(self, **_: object) -> Iterator[bytes]:
        """Yield all of it."""
        yield self.read()


def test_a_part_of_an_object_is_read_by_itself(place: Place) -> None:
    """Fewer bytes at its end; what cannot be read is told as for the whole."""
    place.put("2025/06/02/12/a", b"0123456789")
    name = "2025/06/02/12/a"
    assert [place.landing.read_range(name, start, 4) for start in (0, 4, 8)] == [b"0123", b"4567", b"89"]
    with pytest.raises(UnreadableError, match="2025/06/02/12/gone"):
        place.landing.read_range("2025/06/02/12/gone", 0, 4)

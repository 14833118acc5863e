"""Landing: which objects there are, on which day they arrived, and what a day's listing leaves out."""

import errno
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from event_platform.events.errors import LandingError, UnreadableError
from event_platform.landing.bucket import BucketLanding
from event_platform.landing.folder import FolderLanding
from event_platform.landing.landing import Landing
from event_platform.landing.omissions import Omissions
from event_platform.pipeline.opening import open_landing
from event_platform_tests.support.faulty_s3 import FaultyS3, Rule
from event_platform_tests.support.s3 import KEYS_ON_A_PAGE, client, put, use_s3

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
    assert (landed.name, landed.arrival_date, landed.has_date) == (name, MONDAY, True)
    assert place.names([TUESDAY]) == []


@pytest.mark.parametrize(
    "name",
    ["a.gz", "2025/a.gz", "2025/06/a.gz", "2025/02/30/a.gz", "2025-06-02/a.gz", "12025/06/02/a.gz", "2025/6/2/a"],
)
def test_a_path_without_a_date_is_listed_on_any_day(place: Place, name: str) -> None:
    """The ledger may know it under an earlier day than its last change: the listing cannot leave it out."""
    place.fill(name)
    (landed,) = place.landing.list_objects([MONDAY])
    assert (landed.name, landed.has_date) == (name, False)
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
    """As Hive and Spark do: `.` or `_` first, in any part of the path, and no `=` in it."""
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
    names = [f"{year}/06/02/a" for year in range(2000, 2000 + KEYS_ON_A_PAGE)]
    day = [f"2025/06/02/{number:02d}" for number in range(KEYS_ON_A_PAGE + 1)]
    place.fill(*names, *day, "x", "y", "z")
    assert place.names() == sorted([*names, *day, "x", "y", "z"])
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


def test_a_folder_that_is_not_there_is_an_error_that_tells_what_to_do(tmp_path: Path) -> None:
    """A wrong setting must not look like an empty day; a folder without objects is one."""
    place = _folder(tmp_path / "none")
    for dates in (None, [MONDAY]):
        with pytest.raises(LandingError, match=rf"^{tmp_path}/none: no such folder\. .*EVENT_PLATFORM_LANDING"):
            place.names(dates)
    (tmp_path / "none").mkdir()
    assert place.names() == place.names([MONDAY]) == []


def test_a_prefix_without_objects_holds_nothing(bucket: str) -> None:
    """The store knows no folders: that nothing has landed yet cannot be told from a wrong prefix."""
    place = _s3(bucket)
    assert place.names() == place.names([MONDAY]) == []


def test_a_bucket_that_is_not_there_is_an_error_that_names_it(bucket: str) -> None:
    """A wrong setting must not look like an empty day."""
    landing = open_landing(f"s3://{bucket}-wrong/in")
    with pytest.raises(LandingError, match=f"^s3://{bucket}-wrong/in/: NoSuchBucket"):
        list(landing.list_objects([MONDAY]))


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO, errno.ESTALE])
@pytest.mark.parametrize(
    ("unreadable", "listed_names"),
    [
        ("2025/06/02/13", ["12", "14", "other"]),
        ("2025/06/02", ["other"]),
        ("2025", ["other"]),
        ("other", ["12", "13", "14"]),
    ],
)
def test_a_folder_that_cannot_be_listed_is_named_and_the_others_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unreadable: str, listed_names: list[str], error: int
) -> None:
    """Treating it as empty would miss its objects; once it is readable, the next listing has them all."""
    place = _folder(tmp_path)
    place.fill("2025/06/02/12/a", "2025/06/02/13/b", "2025/06/02/14/c", "other/deep/d")
    listed = os.scandir

    def refused(path: str | Path) -> object:
        if Path(path) == tmp_path / unreadable:
            raise OSError(error, os.strerror(error), str(path))
        return listed(path)

    with monkeypatch.context() as refusing:
        refusing.setattr(os, "scandir", refused)
        for dates in (None, [MONDAY]):
            omissions = Omissions()
            names = [landed.name for landed in place.landing.list_objects(dates, omissions)]
            assert sorted(name.removeprefix("2025/06/02/").split("/")[0] for name in names) == listed_names
            assert list(omissions.faults) == [unreadable]
            message = str(omissions.faults[unreadable])
            assert message.startswith(f"{tmp_path / unreadable}: {os.strerror(error)}.")
            with pytest.raises(LandingError, match=f"^{tmp_path / unreadable}: "):
                place.names(dates)
    assert len(place.names([MONDAY])) == len(place.names()) == 4


def test_a_root_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no others."""
    place = _folder(tmp_path)
    place.fill("2025/06/02/12/a")

    def refused(path: str) -> object:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(LandingError, match=f"^{tmp_path}: Permission denied"):
        list(place.landing.list_objects([MONDAY], Omissions()))


@pytest.mark.parametrize(
    "name",
    [
        "_tenant=acme/2025/06/02/12/a",
        "2025/06/02/12/_tenant=acme/a",
        ".region=eu/2025/06/02/a",
        "2025/06/02/12/_key=1.gz",
        "_tenant=acme/_source=app/2025/06/02/a",
    ],
)
def test_a_partition_whose_name_begins_with_an_underscore_is_data(place: Place, name: str) -> None:
    """`_x=…` is what Hive and Spark take for a column."""
    place.fill(name, f"_{name}/_x/b")
    omissions = Omissions()
    for dates in (None, [MONDAY]):
        assert [landed.name for landed in place.landing.list_objects(dates, omissions)] == [name]


def test_hidden_objects_are_counted_but_for_markers(place: Place) -> None:
    """With an example, because it may be data under such a name."""
    place.fill("2025/06/02/_SUCCESS", "2025/06/02/.a.gz.crc", "2025/06/02/.b.tmp", "_temporary/0/x", "2025/06/02/ok")
    place.fill("tables/_delta_log/0.json", "_delta_log/0.json")
    place.put("2025/06/02/_empty", b"")
    omissions = Omissions()
    assert [landed.name for landed in place.landing.list_objects(None, omissions)] == ["2025/06/02/ok"]
    assert (omissions.hidden, omissions.hidden_warning, omissions.warnings) == (0, None, [])
    place.fill("2025/06/02/_tenant/a", "2025/06/02/_tenant/b", "_x=1/.c/d")
    for dates, count in ((None, 3), ([MONDAY], 3), ([TUESDAY], 1)):
        omissions = Omissions()
        list(place.landing.list_objects(dates, omissions))
        assert omissions.hidden == count
    assert omissions.warnings == [omissions.hidden_warning]
    assert "landing holds 1 hidden object, such as _x=1/.c/d: names that begin with _ or ." in omissions.warnings[0]


LATIN_1 = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (f"2025/06/02/12/{LATIN_1}.gz", r"2025/06/02/12/caf\xe9.gz"),
        (f"2025/06/02/{LATIN_1}/a.gz", r"2025/06/02/caf\xe9"),
        (f"{LATIN_1}/a.gz", r"caf\xe9"),
        (f"{LATIN_1}\n\x1b[2J", r"caf\xe9\n\x1b[2J"),
    ],
)
def test_a_name_that_is_not_utf8_is_refused_and_named(tmp_path: Path, name: str, shown: str) -> None:
    """No table could hold it; the others are listed."""
    place = _folder(tmp_path)
    place.fill(name, "2025/06/02/12/a", f"2025/06/02/_{LATIN_1}")
    omissions = Omissions()
    assert [landed.name for landed in place.landing.list_objects([MONDAY], omissions)] == ["2025/06/02/12/a"]
    (message,) = map(str, omissions.faults.values())
    assert message.startswith(f"{tmp_path}/{shown}: its name is not UTF-8")
    assert message.isprintable()
    assert omissions.hidden_warning
    assert omissions.hidden_warning.isprintable()


@pytest.mark.parametrize(
    "name", ["2025/06/02/12/a\nb.gz", "2025/06/02/12/\x1b[31mred", "2025/06/02/\t/a", "2025/06/02/\u202e"]
)
def test_names_of_control_characters_are_read(place: Place, name: str) -> None:
    """They break nothing; an error about one shows them escaped."""
    if "\n" in name and isinstance(place.landing, BucketLanding):
        pytest.skip("the server of the tests takes no such key")
    place.put(name, b"content")
    assert place.names([MONDAY]) == [name]
    assert place.landing.read(name) == b"content"
    with pytest.raises(LandingError) as failure:
        place.landing.read(f"{name}-gone")
    assert str(failure.value).isprintable()


def link(place: Path, target: str | Path) -> None:
    """Make a symbolic link."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


@pytest.mark.parametrize(
    "name", ["2025/06/02/12/out", "2025/06/02/out", "2025/06/02", "2025/06", "2025", "out", "app/out"]
)
@pytest.mark.parametrize("to", ["file", "folder"])
def test_a_link_that_leads_out_of_landing_is_refused_and_named(tmp_path: Path, name: str, to: str) -> None:
    """Whoever may write there must not have other files of the machine read; the others are listed."""
    landing, outside = tmp_path / "landing", tmp_path / "landing-not"
    place = _folder(landing)
    (outside / "06" / "02").mkdir(parents=True)
    for folder in (outside, outside / "06", outside / "06" / "02"):
        (folder / "secret").write_bytes(b"{}")
    link(landing / name, outside / "secret" if to == "file" else outside)
    place.fill("2024/06/02/a")
    for dates in (None, [MONDAY, date(2024, 6, 2)]):
        omissions = Omissions()
        assert [landed.name for landed in place.landing.list_objects(dates, omissions)] == ["2024/06/02/a"]
        assert list(omissions.faults) == [name]
        assert str(omissions.faults[name]).startswith(
            f"{landing / name}: a link that leads out of landing, to {outside}"
        )
    omissions = Omissions()
    assert [day.name for _, objects in place.landing.list_days([MONDAY], omissions) for day in objects] == []


@pytest.mark.parametrize(
    ("links", "faults"),
    [
        ({"2025/06/02/12/self": "self"}, ["2025/06/02/12/self"]),
        ({"2025/06/02/12/loop": ".."}, ["2025/06/02/12/loop"]),
        ({"2025/06/02/12/loop": "."}, ["2025/06/02/12/loop"]),
        ({"loop": "."}, ["loop"]),
        ({"a/b": "../b", "b/a": "../a"}, ["a/b/a", "b/a/b"]),
        ({"2025/06/02/gone": "nothing"}, ["2025/06/02/gone"]),
        ({"2025/06/02/_hidden": ".."}, []),
    ],
)
def test_links_that_lead_nowhere_or_round_in_a_circle_are_refused_and_named(
    tmp_path: Path, links: dict[str, str], faults: list[str]
) -> None:
    """The listing ends, and has the others once."""
    place = _folder(tmp_path)
    place.fill("2025/06/02/12/a")
    for name, target in links.items():
        link(tmp_path / name, target)
    omissions = Omissions()
    assert [landed.name for landed in place.landing.list_objects(None, omissions)] == ["2025/06/02/12/a"]
    assert sorted(omissions.faults) == faults


def test_links_within_landing_are_followed(tmp_path: Path) -> None:
    """Also where landing itself is a link."""
    (tmp_path / "real").mkdir()
    link(tmp_path / "landing", tmp_path / "real")
    place = _folder(tmp_path / "landing")
    place.fill("2025/06/02/12/a", "2025/06/02/_store/b")
    link(tmp_path / "real/2025/06/02/12/file", "a")
    link(tmp_path / "real/2025/06/02/13", "_store")
    link(tmp_path / "real/2025/06/03", tmp_path / "real/2025/06/02/_store")
    assert place.names([MONDAY]) == ["2025/06/02/12/a", "2025/06/02/12/file", "2025/06/02/13/b"]
    assert place.names([TUESDAY]) == ["2025/06/03/b"]


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="needs users")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    """As its owner's mode says; by a process of its own, since one of root may read everything."""
    place = _folder(tmp_path)
    place.fill("2025/06/02/12/a", "2025/06/02/13/b")
    closed = tmp_path / "2025/06/02/13"
    closed.chmod(0)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)
    listed = (
        "import os, sys\nfrom pathlib import Path\n"
        "from event_platform.landing.folder import FolderLanding\n"
        "from event_platform.landing.omissions import Omissions\n"
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "told = Omissions(); print([each.name for each in FolderLanding(Path(sys.argv[1])).list_objects(None, told)])\n"
        "print(*told.faults.values())"
    )
    done = subprocess.run([sys.executable, "-c", listed, tmp_path], capture_output=True, text=True, check=False)
    closed.chmod(0o755)
    assert done.stdout.splitlines() == [
        "['2025/06/02/12/a']",
        f"{closed}: Permission denied. It is left out: grant access to it, or take it out of landing, then run again.",
    ], done.stderr


def test_a_listing_of_s3_that_fails_on_its_second_page_is_an_error_that_names_the_prefix(
    bucket: str, proxy: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the first page had, as when a session ends meanwhile; the next listing has all."""
    use_s3(monkeypatch, proxy.endpoint)
    place = _s3(bucket)
    place.fill(*(f"2025/06/02/12/{number:02d}" for number in range(KEYS_ON_A_PAGE + 1)))
    for dates in (None, [MONDAY]):
        proxy.set(Rule("GET", "continuation-token", "AccessDenied", times=None))
        with pytest.raises(LandingError, match=f"^{place.root}/.*: AccessDenied.*Grant s3:ListBucket on"):
            place.names(dates)
        proxy.set()
        assert len(place.names(dates)) == KEYS_ON_A_PAGE + 1


def test_one_name_that_obstore_cannot_address_hides_no_other(bucket: str) -> None:
    """A slash too many, a control character: of any day, and outside the folders of days."""
    place = _s3(bucket)
    good = [f"2025/06/02/12/{number:02d}" for number in range(KEYS_ON_A_PAGE + 1)]
    names = [
        *good,
        "2025/06/02//a",
        "2025/06/02/12/x//b",
        "2025/06/03/c\td",
        "2025/06//d",
        "//e",
        "f/\x1b/g",
        "h\ti",
        "j",
    ]
    place.fill(*names)
    assert place.names() == sorted(names)
    assert place.names([MONDAY]) == sorted(name for name in names if not name.startswith("2025/06/03"))
    for name in names:
        assert (place.landing.read(name), place.landing.read_range(name, 1, 1)) == (b"{}", b"}")
    with pytest.raises(UnreadableError, match=r"^s3://.*/in/here/2025//gone: NoSuchKey"):
        place.landing.read("2025//gone")


def test_a_part_of_an_object_is_read_by_itself(place: Place) -> None:
    """Fewer bytes at its end; what cannot be read is told as for the whole."""
    place.put("2025/06/02/12/a", b"0123456789")
    name = "2025/06/02/12/a"
    assert [place.landing.read_range(name, start, 4) for start in (0, 4, 8)] == [b"0123", b"4567", b"89"]
    with pytest.raises(UnreadableError, match="2025/06/02/12/gone"):
        place.landing.read_range("2025/06/02/12/gone", 0, 4)

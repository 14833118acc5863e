"""Landing and the lake on Azure: the same objects, the same tables, and errors that say what to do."""

import base64
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta

import pytest

from event_platform.doctor.examine import examine
from event_platform.doctor.finding import Verdict
from event_platform.events.errors import LandingError, SettingError, StorageError, UnreadableError
from event_platform.landing.omissions import Omissions
from event_platform.pipeline.opening import open_lake, open_landing
from event_platform.storage.opening import open_store
from event_platform.storage.store import ChangedError, require_conditional_put
from event_platform_tests.storage.stores import assert_one_wins
from event_platform_tests.support.azure import SERVER, azurite, new_container, use_azure
from event_platform_tests.support.command import call_with, variables
from event_platform_tests.support.comparison import contents
from event_platform_tests.support.npm import INSTALL
from event_platform_tests.support.world import MONDAY, TUESDAY, World, event, gzipped, ndjson

pytestmark = [
    pytest.mark.xdist_group("azure"),
    pytest.mark.skipif(
        shutil.which("node") is None or not SERVER.exists(),
        reason=f"no node, or no node_modules/azurite: {INSTALL}",
    ),
]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of the server."""
    with azurite() as running:
        yield running


@pytest.fixture
def container(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of an empty container, with the variables of Azure set to reach it."""
    use_azure(monkeypatch, endpoint)
    return f"az://{new_container(endpoint)}"


def test_a_page_has_a_signed_address(container: str) -> None:
    """It opens only with the signature."""
    store = open_store(f"{container}/lake")
    store.write("reports/quality/index.html", b"<!doctype html>")
    address = store.link("reports/quality/index.html", timedelta(hours=1))
    with urllib.request.urlopen(address) as answer:  # noqa: S310 - a server of our own
        assert answer.read() == b"<!doctype html>"
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    with pytest.raises(urllib.error.HTTPError, match=r"403|404"):
        urllib.request.urlopen(address.partition("?")[0])  # noqa: S310 - the same


def test_the_tables_on_azure_are_those_on_a_folder(world: World, container: str) -> None:
    """Every table and every row, by a run with landing and the lake there; a second run finds nothing to do."""
    landing = open_store(f"{container}/landing")
    records = [event(f"u{number}", plan="free") for number in range(50)]
    world.deliver(MONDAY, "a.gz", *records, "{broken")
    landing.write("2025/06/02/12/a.gz", gzipped(ndjson(*records, "{broken")))
    world.deliver(TUESDAY, "b", event("u2", plan="free"), event("x1", TUESDAY, "beta:clicked"))
    landing.write("2025/06/03/12/b", ndjson(event("u2", plan="free"), event("x1", TUESDAY, "beta:clicked")))
    addresses = {"EVENT_PLATFORM_LANDING": f"{container}/landing", "EVENT_PLATFORM_LAKE": f"{container}/lake"}
    settings = {**variables(world), **addresses}
    call_with(settings, "run")
    lake = open_lake(f"{container}/lake")
    version = lake.raw_events.snapshot().version
    call_with(settings, "run")
    assert lake.raw_events.snapshot().version == version
    world.build(MONDAY, TUESDAY)
    without = ("source_etag",)
    assert contents(lake, world.catalog, without=without) == contents(world.lake, world.catalog, without=without)
    assert lake.storage.clock() > 0
    call_with(settings, "vacuum", "--dry-run")


def test_objects_land_and_are_listed_and_read(container: str) -> None:
    """By day, and outside the folders of days; nothing hidden or empty."""
    store, landing = open_store(f"{container}/in/here"), open_landing(f"{container}/in/here")
    names = ["2025/06/02/12/a b%c.gz", "2025/06/02/13/b", "2025/06/03/c", "2025/07/01/d", "f", "other/e"]
    for name in [*names, "2025/06/02/_hidden"]:
        store.write(name, b"0123456789")
    store.write("2025/06/02/empty", b"")
    assert sorted(each.name for each in landing.list_objects()) == names
    omissions = Omissions()
    of_monday = [each.name for each in landing.list_objects([MONDAY], omissions)]
    assert sorted(of_monday) == [*names[:2], *names[4:]]
    assert omissions.hidden == 1
    assert [len(objects) for _, objects in landing.list_days([MONDAY, TUESDAY], Omissions())] == [2, 1]
    assert (landing.read(names[0]), landing.read_range(names[0], 8, 4)) == (b"0123456789", b"89")
    with pytest.raises(UnreadableError, match=r"in/here/gone: BlobNotFound: .* it is gone"):
        landing.read("gone")


def test_doctor_looks_at_what_every_store_has(world: World, container: str) -> None:
    """Listing, reading, writing, conditional puts, how objects land; nothing that only S3 has."""
    open_store(f"{container}/landing").write("2025/06/02/12/a", ndjson(event("u1")))
    addresses = {"EVENT_PLATFORM_LANDING": f"{container}/landing", "EVENT_PLATFORM_LAKE": f"{container}/lake"}
    results = {each.name: each for each in examine({**variables(world), **addresses})}
    for name in ("read landing", "landing layout", "landing names", "write lake", "conditional put"):
        assert results[name].verdict is Verdict.GOOD, results[name]
    assert not {"credentials", "landing", "lake"} & results.keys()


def test_of_two_writers_one_wins(container: str) -> None:
    """So that commits and checkpoints are safe there."""
    store = open_store(f"{container}/x")
    require_conditional_put(store)
    open_lake(f"{container}/lake").storage.check()
    assert_one_wins(store)
    with pytest.raises(ChangedError):
        store.swap("x.json", b"other", None)
    store.write("a/b-1", b"")
    store.write("a/b-2", b"")
    assert sorted(store.names("a/b-")) == ["a/b-1", "a/b-2"]
    store.remove_folder("a/")
    assert not store.has_folder("a/")


def test_what_is_wrong_is_told_with_what_to_do(container: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that is not there, a key that is wrong, an account that is not set."""
    with pytest.raises(LandingError, match=r"^az://no-such/in/: ContainerNotFound: .* Create the bucket, or correct"):
        list(open_landing("az://no-such/in").list_objects([MONDAY]))
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", base64.b64encode(b"wrong").decode())
    with pytest.raises(StorageError, match=r"in/a: Auth.* Check AZURE_STORAGE_ACCOUNT_NAME and its key") as denied:
        open_store(f"{container}/in").write("a", b"")
    assert not denied.value.transient
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME")
    with pytest.raises(SettingError, match=r"^az://.*Account must be specified.*; set AZURE_STORAGE_ACC"):
        open_store(f"{container}/in").read("a")

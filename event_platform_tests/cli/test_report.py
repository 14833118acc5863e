"""`report`: the address of a page, which a browser can open."""

import urllib.request
import webbrowser
from pathlib import Path

import pytest

from event_platform.storage.opening import open_store
from event_platform_tests.support.command import call, use
from event_platform_tests.support.world import World

PAGE = b"<!doctype html>"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a browser was asked to open."""
    addresses: list[str] = []

    def remember(address: str) -> bool:
        addresses.append(address)
        return True

    monkeypatch.setattr(webbrowser, "open", remember)
    return addresses


@pytest.fixture
def pages(world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the pages of a lake: the index and one day."""
    use(monkeypatch, world)
    for name in ("index.html", "2025-06-02.html"):
        world.lake.storage.write(world.lake.storage.uri("reports", "quality", name), PAGE)
    return world.root / "lake" / "reports" / "quality"


def test_a_page_in_a_folder_is_a_file(pages: Path, opened: list[str]) -> None:
    """Its path can be copied, and its URL opened."""
    assert call("report") == f"{pages}/index.html\n"
    assert opened == []
    assert call("report", "--open", "--day", "2025-06-02") == f"{pages}/2025-06-02.html\n"
    assert opened == [(pages / "2025-06-02.html").as_uri()]


def test_a_server_of_the_pages_comes_first(pages: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """That is where the links between pages work, wherever the lake is."""
    assert pages.is_dir()
    monkeypatch.setenv("EVENT_PLATFORM_REPORT_URL", "https://reports.example/quality/")
    assert call("report", "--open") == "https://reports.example/quality/index.html\n"
    assert opened == ["https://reports.example/quality/index.html"]


def test_a_page_that_is_not_there_is_not_opened(pages: Path, opened: list[str]) -> None:
    """The command says what writes it."""
    output = " ".join(call("report", "--open", "--day", "2025-06-03", code=2).split())
    assert f"{pages}/2025-06-03.html: there is no such page; event-platform run writes it" in output
    assert output.endswith("event-platform run --rebuild --from 2025-06-03 --to 2025-06-03")
    assert opened == []


def test_without_a_browser_the_address_is_still_printed(pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a server, for one."""
    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    assert f"{pages}/index.html" in call("report", "--open", code=1)


def test_a_page_in_a_bucket_has_a_signed_address(world: World, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can open it for an hour, and a browser shows it rather than save it."""
    use(monkeypatch, world)
    monkeypatch.setenv("EVENT_PLATFORM_LAKE", f"s3://{bucket}/lake")
    open_store(f"s3://{bucket}/lake").write("reports/quality/index.html", PAGE)
    address = call("report").strip()
    assert "X-Amz-Signature=" in address
    assert "X-Amz-Expires=3600" in address
    with urllib.request.urlopen(address) as answer:  # noqa: S310 - a server of our own
        assert answer.read() == PAGE
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"

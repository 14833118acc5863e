"""The requests of a test that list, counted by a proxy in front of the server."""

from urllib.parse import parse_qs, urlsplit

from event_platform_tests.support.faulty_s3 import FaultyS3


class Listings:
    """Counts the requests that list, by a proxy in front of the server."""

    def __init__(self, proxy: FaultyS3) -> None:
        """Count from now on."""
        self._proxy = proxy
        self._proxy.set()

    def made(self) -> list[str]:
        """Return the prefixes of the requests since the last call."""
        queries = [parse_qs(urlsplit(each.path).query) for each in self._proxy.requests()]
        self._proxy.set()
        return [each["prefix"][0].removeprefix("in/") for each in queries if "list-type" in each]

"""The time of an object store, from the Date header that every answer has."""

import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from event_platform.events.errors import StorageError
from event_platform.storage.retries import retry_unanswered

_SECONDS = 5


def server_time(root: str, options: Mapping[str, str]) -> float:
    """Return the time of a URI's store in Unix seconds. Raises StorageError if it does not answer."""
    endpoint = _endpoint(root, options)
    try:
        date = retry_unanswered(lambda: date_header(endpoint), lambda error: isinstance(error, OSError))
    except OSError as error:
        raise StorageError(f"{root}: {endpoint} does not answer: {error}; check the network") from error
    if date is None:
        raise StorageError(f"{root}: the store does not say what time it is")
    return parsedate_to_datetime(date).timestamp()


def date_header(endpoint: str) -> str | None:
    """Return the Date header of an answer to a request without credentials, whatever its status. Raises OSError."""
    try:
        answer = urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=_SECONDS)  # noqa: S310 - http or https, from the settings of the store
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        date: str | None = answer.headers.get("Date")
    return date


def _endpoint(root: str, options: Mapping[str, str]) -> str:
    if root.startswith("s3://"):
        return options.get("endpoint") or f"https://s3.{options.get('region', 'us-east-1')}.amazonaws.com"
    if root.startswith("gs://"):
        return os.environ.get("GOOGLE_BASE_URL") or "https://storage.googleapis.com"
    account = os.environ.get("AZURE_STORAGE_ACCOUNT_NAME", "")
    return os.environ.get("AZURE_STORAGE_ENDPOINT") or f"https://{account}.blob.core.windows.net"

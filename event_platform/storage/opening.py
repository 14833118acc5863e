"""Open a store by its URI: a folder, s3://<bucket>/<prefix>, gs://<bucket>/<prefix> or az://<container>/<prefix>."""

from collections.abc import Mapping
from pathlib import Path

from event_platform.storage.bucket import BucketStore
from event_platform.storage.folder import FolderStore
from event_platform.storage.store import Store


def open_store(uri: str) -> Store:
    """Open a folder or a prefix of a bucket with the settings of the standard variables and profiles.

    Raises SettingError without credentials.
    """
    return BucketStore(uri, find_options(uri)) if "://" in uri else FolderStore(Path(uri))


def find_options(uri: str) -> Mapping[str, str]:
    """Return the store options of a bucket. Every library reads those of Google and Azure from variables."""
    if not uri.startswith("s3://"):
        return {}
    from event_platform.storage import s3  # noqa: PLC0415 - imports boto3, which a folder has no need of

    return s3.find_options(uri)

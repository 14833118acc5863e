"""Access through boto3 to objects on S3 whose names obstore cannot address.

object_store, on which obstore is built, rejects names with an empty part (a//b), with a part . or .., or with a control
character; one such name makes a whole page of a listing fail. S3 has such objects: one slash too many in a prefix is
enough.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

from event_platform.events.errors import AccessError, MissingError, StorageError
from event_platform.storage.aws import bucket_and_prefix
from event_platform.storage.errors import BOTO_ERRORS, cause, is_access_denied, is_missing, storage_error
from event_platform.storage.retries import retry_unanswered
from event_platform.storage.s3 import client
from event_platform.storage.store import Entry

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef, ObjectTypeDef

#: Errors of an incomplete answer, which boto3 does not retry.
_BROKEN_OFF = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)


@dataclass(frozen=True)
class S3Names:
    """A prefix of a bucket, as BucketStore has it."""

    root: str
    options: Mapping[str, str] = field(repr=False)

    def pages(self, folder: str, after: str) -> Iterator[list[Entry]]:
        """See Store.pages."""
        bucket, prefix = bucket_and_prefix(self.root)
        arguments: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix + folder}
        if after:
            arguments["StartAfter"] = prefix + after
        with self._translate_errors(folder):
            for page in client(self.options).get_paginator("list_objects_v2").paginate(**arguments):
                yield [_entry(each, prefix) for each in page.get("Contents", [])]

    def list_folder(self, folder: str) -> tuple[list[Entry], list[str]]:
        """See Store.list_folder."""
        bucket, prefix = bucket_and_prefix(self.root)
        paginator = client(self.options).get_paginator("list_objects_v2")
        with self._translate_errors(folder):
            pages = list(paginator.paginate(Bucket=bucket, Prefix=prefix + folder, Delimiter="/"))
        entries = [_entry(each, prefix) for page in pages for each in page.get("Contents", [])]
        return entries, [each["Prefix"][len(prefix) :] for page in pages for each in page.get("CommonPrefixes", [])]

    def read(self, name: str, span: tuple[int, int] | None = None) -> bytes:
        """Return an object, or the bytes from the first to the last one of `span`. Errors as of Store.read."""
        bucket, prefix = bucket_and_prefix(self.root)
        request: GetObjectRequestTypeDef = {"Bucket": bucket, "Key": prefix + name}
        if span is not None:
            request["Range"] = f"bytes={span[0]}-{span[1]}"
        with self._translate_errors(name):
            return retry_unanswered(lambda: self._body(request), lambda error: isinstance(error, _BROKEN_OFF))

    def _body(self, request: "GetObjectRequestTypeDef") -> bytes:
        return client(self.options).get_object(**request)["Body"].read()

    @contextmanager
    def _translate_errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except BOTO_ERRORS as error:
            kind = MissingError if is_missing(error) else AccessError if is_access_denied(error) else StorageError
            raise storage_error(error, f"{self.root.rstrip('/')}/{name}", kind) from cause(error)


def _entry(meta: "ObjectTypeDef", prefix: str) -> Entry:
    return Entry(meta["Key"][len(prefix) :], meta["Size"], meta["LastModified"], meta["ETag"].strip('"'))

"""A store in a bucket of S3 or Google Cloud Storage, or a container of Azure, through obstore.

storage.connect opens it; storage.s3_names handles names that obstore cannot address.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, InvalidPathError, PreconditionError

from event_platform.events.errors import AccessError, MissingError, StorageError
from event_platform.storage.clients import Patience, patience
from event_platform.storage.connect import OBSTORE_ERRORS, open_object_store
from event_platform.storage.errors import (
    BOTO_ERRORS,
    cause,
    is_access_denied,
    is_missing,
    redirected_to,
    storage_error,
)
from event_platform.storage.retries import retry_unanswered
from event_platform.storage.store import ChangedError, Entry, Store
from event_platform.storage.uris import split_uri

if TYPE_CHECKING:
    from obstore import Attributes, ObjectMeta
    from obstore.store import ObjectStore

    from event_platform.storage.s3_names import S3Names

#: Objects in a page of a listing.
_PAGE = 1000

#: Content type of pages: without it, a browser saves an object instead of showing it.
_HTML = "text/html; charset=utf-8"

_DEFECTIVE = "its name has an empty part, a part . or .., or a control character, and cannot be addressed; rename it"

T = TypeVar("T")


@dataclass(frozen=True)
class BucketStore(Store):
    """A prefix of a bucket. `options` may contain credentials: they are never shown."""

    root: str  # <scheme>://<bucket>/<prefix>
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    patience: Patience | None = None  # as for data, without one

    def __reduce__(self) -> tuple[type["BucketStore"], tuple[str, Mapping[str, str], Patience | None]]:
        """Pickle everything except the connections, which each process opens itself."""
        return BucketStore, (self.root, self.options, self.patience)

    @property
    def scheme(self) -> str:
        """The scheme: s3, gs or az."""
        return split_uri(self.root)[0]

    def uri(self, name: str) -> str:
        """See Store."""
        return f"{self.root.rstrip('/')}/{name}"

    def link(self, name: str, lifetime: timedelta) -> str:
        """See Store. Signing takes a key: of a user or role of AWS, a service account, or a storage account."""
        objects: Any = self._objects
        return self._call(name, lambda: str(obstore.sign(objects, "GET", name, lifetime)))

    def pages(self, folder: str, after: str = "") -> Iterator[list[Entry]]:
        """See Store."""
        if folder and self._needs_boto3(folder[:-1]):
            yield from self._s3_names.pages(folder, after)
            return
        listing = _Listing(lambda start: self._list_pages(folder, start), after)
        try:
            while (page := self._call(folder, lambda: retry_unanswered(listing.next))) is not None:
                # A folder may be an object itself, as the AWS console creates it.
                yield [_entry(each) for each in page if each["path"] != folder[:-1]]
        except _UnaddressableError as error:
            if self.scheme != "s3":
                raise StorageError(f"{self.uri(folder)}: cannot be listed: {error}", transient=False) from None
            yield from self._s3_names.pages(folder, listing.after)

    def list_folder(self, folder: str) -> tuple[list[Entry], list[str]]:
        """See Store."""
        if folder and self._needs_boto3(folder[:-1]):
            return self._s3_names.list_folder(folder)
        try:
            answer = self._call(folder, lambda: retry_unanswered(lambda: self._list_directly(folder)))
        except _UnaddressableError as error:
            if self.scheme != "s3":
                raise StorageError(f"{self.uri(folder)}: cannot be listed: {error}", transient=False) from None
            return self._s3_names.list_folder(folder)
        entries = [_entry(each) for each in answer["objects"] if each["path"] != folder[:-1]]
        return entries, [f"{each}/" for each in answer["common_prefixes"]]

    def has_folder(self, folder: str) -> bool:
        """See Store."""
        return any(self.pages(folder))

    def read(self, name: str) -> bytes:
        """See Store."""
        if self._needs_boto3(name):
            return self._s3_names.read(name)
        return self._call(name, lambda: bytes(self._objects.get(name).bytes()))

    def read_range(self, name: str, start: int, size: int) -> bytes:
        """See Store."""
        if self._needs_boto3(name):
            return self._s3_names.read(name, (start, start + size - 1))
        return self._call(name, lambda: bytes(self._objects.get_range(name, start=start, length=size)))

    def read_tagged(self, name: str) -> tuple[bytes, str] | None:
        """See Store."""

        def read() -> tuple[bytes, str]:
            answer = self._objects.get(name)
            return bytes(answer.bytes()), str(answer.meta[self._tag])  # type: ignore[literal-required]

        try:
            return self._call(name, read)
        except MissingError:
            return None

    def tag(self, name: str) -> str | None:
        """See Store."""
        try:
            return self._call(name, lambda: str(self._objects.head(name)[self._tag]))  # type: ignore[literal-required]
        except MissingError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """See Store."""
        self._call(name, lambda: self._objects.put(name, data, attributes=_attributes(name), use_multipart=False))

    def write_whole(self, name: str, data: bytes) -> None:
        """See Store."""
        self.write(name, data)

    def write_durably(self, name: str, data: bytes) -> None:
        """See Store."""
        self.write(name, data)

    def swap(self, name: str, data: bytes, expected_tag: str | None) -> str:
        """See Store. Retried here, because obstore does not."""
        return self._call(name, lambda: retry_unanswered(lambda: self._put(name, data, expected_tag)))

    def create(self, name: str, data: bytes) -> str:
        """See Store."""
        return self.swap(name, data, None)

    def remove(self, names: Sequence[str]) -> None:
        """See Store. One request for up to a thousand of S3."""
        if names:
            self._call(names[0], partial(self._delete, list(names)))

    def remove_folder(self, folder: str) -> None:
        """See Store."""
        for page in self.pages(folder):
            self._call(folder, partial(self._delete, [each.name for each in page]))

    def _delete(self, names: list[str]) -> None:
        self._objects.delete(names)

    def _put(self, name: str, data: bytes, expected_tag: str | None) -> str:
        mode: Any = "create" if expected_tag is None else {self._tag: expected_tag}
        try:
            return str(self._objects.put(name, data, mode=mode)[self._tag])  # type: ignore[literal-required]
        except (AlreadyExistsError, PreconditionError) as error:
            # If the answer was lost, the retry is refused because of the first attempt's own object.
            existing = self.read_tagged(name)
            if existing is not None and existing[0] == data:
                return existing[1]
            if (
                expected_tag is None
                or existing is None
                or _unquoted(existing[1]) != _unquoted(expected_tag)
                or expected_tag == _unquoted(expected_tag)
            ):
                raise ChangedError(f"{self.uri(name)}: somebody else has written it") from error
        # Nobody else has written it: some stores, such as Ceph 16, compare the tag including its quotes.
        return self._put(name, data, _unquoted(expected_tag))

    @property
    def _tag(self) -> str:
        """The condition of a conditional put."""
        return "version" if self.scheme == "gs" else "e_tag"

    def _list_pages(self, folder: str, after: str) -> Iterator[list["ObjectMeta"]]:
        pages: Any = self._objects.list(folder[:-1] or None, offset=after or None, chunk_size=_PAGE)
        return iter(pages)

    def _list_directly(self, folder: str) -> Any:
        return self._objects.list_with_delimiter(folder[:-1] or None)

    def _needs_boto3(self, name: str) -> bool:
        return self.scheme == "s3" and not _is_addressable(name)

    @cached_property
    def _s3_names(self) -> "S3Names":
        from event_platform.storage.s3_names import S3Names  # noqa: PLC0415 - boto3 is rarely needed, and takes long

        return S3Names(self.root, self.options)

    @cached_property
    def _clients(self) -> list["ObjectStore"]:
        """The client; replaced if the bucket turns out to be in another region."""
        with self._translate_errors(""):
            return [open_object_store(self.root, self.options, self.patience or patience())]

    @property
    def _objects(self) -> "ObjectStore":
        return self._clients[0]

    def _call(self, name: str, request: Callable[[], T]) -> T:
        """Call the client, and once more if the bucket is in another region than configured."""
        try:
            return request()
        except OBSTORE_ERRORS as error:
            region = redirected_to(error, split_uri(self.root)[1], self.options) if self.scheme == "s3" else ""
            if not region or region == self.options.get("region"):
                with self._translate_errors(name):
                    raise
        with self._translate_errors(name):
            options = {**self.options, "region": region}
            self._clients[0] = open_object_store(self.root, options, self.patience or patience())
            return request()

    @contextmanager
    def _translate_errors(self, name: str) -> Iterator[None]:
        """Raise errors of obstore and boto3 as StorageError, with the object and the remedy."""
        try:
            yield
        except InvalidPathError as error:
            raise _UnaddressableError(_DEFECTIVE) from error
        except (*OBSTORE_ERRORS, *BOTO_ERRORS) as error:
            kind = (
                MissingError if is_missing(error) else AccessError if name and is_access_denied(error) else StorageError
            )
            raise storage_error(error, self.uri(name), kind) from cause(error)


class _UnaddressableError(StorageError):
    """A page of a listing contains a name that obstore cannot address; the page's other names are unknown."""


class _Listing:
    """A listing that can be resumed."""

    def __init__(self, start: Callable[[str], Iterator[list["ObjectMeta"]]], after: str) -> None:
        self.after = after  # the last name so far
        self._start = start
        self._pages: Iterator[list[ObjectMeta]] | None = None

    def next(self) -> list["ObjectMeta"] | None:
        """Return the next page; None at the end."""
        pages, self._pages = self._pages or self._start(self.after), None
        page = next(pages, None)
        if page:
            self.after = page[-1]["path"]
        self._pages = pages
        return page


def _entry(meta: "ObjectMeta") -> Entry:
    return Entry(meta["path"], meta["size"], meta["last_modified"], _unquoted(meta["e_tag"] or ""))


def _attributes(name: str) -> "Attributes":
    return {"Content-Type": _HTML} if name.endswith(".html") else {}


def _unquoted(tag: str) -> str:
    return tag.strip('"')


def _is_addressable(name: str) -> bool:
    """Return whether obstore can address a name."""
    return all(part not in {"", ".", ".."} for part in name.split("/")) and all(map(_is_no_control, name))


def _is_no_control(character: str) -> bool:
    return not (ord(character) < 0x20 or ord(character) == 0x7F)  # noqa: PLR2004 - the control characters of ASCII

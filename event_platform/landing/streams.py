"""Byte streams of unknown length."""

from collections.abc import Callable, Iterable, Iterator

from event_platform.landing.pieces import BrokenError

#: Returns a stream of bytes, from the start at each call.
Source = Callable[[], Iterator[bytes]]

#: Suffix of the error for a stream that ends too early.
CUT = "the object ends in the middle of its data"


class ByteReader:
    """Reads exact numbers of bytes from a stream."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        """Begin at the start of `parts`."""
        self._parts = iter(parts)
        self._buffer, self._position = b"", 0

    def read(self, size: int) -> bytes:
        """Return `size` bytes; fewer at the end of the stream."""
        end = self._position + size
        if end > len(self._buffer):
            self._fill_buffer(size)
            end = size
        data = self._buffer[self._position : end]
        self._position += len(data)
        return data

    def read_exactly(self, size: int) -> bytes:
        """Return exactly `size` bytes. Raises BrokenError if the stream ends earlier."""
        data = self.read(size)
        if len(data) < size:
            raise BrokenError(CUT)
        return data

    def _fill_buffer(self, size: int) -> None:
        """Take parts until `size` bytes are buffered."""
        chunks = [self._buffer[self._position :]]
        length = len(chunks[0])
        while length < size and (part := next(self._parts, None)) is not None:
            chunks.append(part)
            length += len(part)
        self._buffer, self._position = b"".join(chunks), 0


def limit_bytes(parts: Iterable[bytes], limit: int, message: str) -> Iterator[bytes]:
    """Yield up to `limit` bytes. Raises BrokenError with `message` if there are more."""
    remaining_bytes = limit
    for part in parts:
        if len(part) > remaining_bytes:
            yield part[:remaining_bytes]
            raise BrokenError(message.format(limit))
        remaining_bytes -= len(part)
        yield part


def read_all(parts: Iterable[bytes], limit: int, name: str) -> bytes:
    """Return all bytes of a file with its directory at the end. Raises BrokenError if they exceed `limit`."""
    return b"".join(limit_bytes(parts, limit, f"{name}: {_TOO_LARGE}"))


_TOO_LARGE = (
    "it has more than {:,} bytes, the limit for it (task_limit_bytes of the resource rules): land smaller files, or "
    "raise the limit"
)


def name_errors(name: str, parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield `parts`; the message of a BrokenError gets the name of the format as a prefix."""
    try:
        yield from parts
    except BrokenError as error:
        raise BrokenError(f"{name}: {error}") from error

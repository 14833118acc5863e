"""A folder, served over the S3 protocol, read only; every request is written down with the object and its bytes.

    python -m bench.object_server folder log latency_seconds

Requests are counted by the server, not by the client. It is a process of its own, since
some calls of delta-rs keep all other Python threads from running until they are answered. The first part of a path is
the bucket, a folder in `folder`. It prints its port and listens on 127.0.0.1; signatures are not looked at.
"""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_ROOT = Path(__file__).parents[1]
_KEYS_ON_A_PAGE = 1_000
_LOG = "_delta_log/"


@dataclass(frozen=True)
class Request:
    """One request that was answered: `key` is the bucket and the object, or the prefix of a listing."""

    method: str  # GET, HEAD or LIST
    key: str
    size: int  # bytes of the answer's body


@dataclass(frozen=True)
class Touched:
    """What a query asked for: of data, and of the tables' logs."""

    files: frozenset[str] = frozenset()  # objects with data of which anything was read
    requests: int = 0
    bytes: int = 0
    log_requests: int = 0
    log_bytes: int = 0


def touched(requests: Iterable[Request]) -> Touched:
    """Sum requests."""
    log: list[Request] = []
    data: list[Request] = []
    for request in requests:
        (log if _LOG in request.key or request.method == "LIST" else data).append(request)
    return Touched(
        frozenset(each.key for each in data if each.method == "GET"),
        len(data),
        sum(each.size for each in data),
        len(log),
        sum(each.size for each in log),
    )


@dataclass
class ObjectServer:
    """A running server, and its requests since the last call."""

    endpoint: str
    _log: Path
    _seen: int = field(default=0, repr=False)

    def requests(self) -> list[Request]:
        """Return the requests since the last call. They are written down before they are answered."""
        with self._log.open("rb") as log:
            log.seek(self._seen)
            lines = log.read()
        self._seen += len(lines)
        return [Request(*json.loads(line)) for line in lines.splitlines()]

    def options(self) -> dict[str, str]:
        """Return what polars, delta-rs and the platform's `Storage` need to reach it; the credentials are made up."""
        return {
            "access_key_id": "anybody",
            "secret_access_key": "anything",
            "region": "us-east-1",
            "endpoint": self.endpoint,
            "allow_http": "true",
        }


@contextmanager
def object_server(folder: Path, log: Path, latency_seconds: float = 0) -> Iterator[ObjectServer]:
    """Serve the folders in `folder` as buckets; each answer waits for `latency_seconds`, as one over a network does."""
    log.write_bytes(b"")
    command = [sys.executable, "-m", "bench.object_server", str(folder.absolute()), str(log.absolute())]
    with subprocess.Popen(  # noqa: S603 - this module
        [*command, str(latency_seconds)], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None  # noqa: S101 - it is a pipe
            yield ObjectServer(f"http://127.0.0.1:{int(server.stdout.readline())}", log)
        finally:
            server.terminate()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body go out together
    disable_nagle_algorithm = True
    folder: Path
    log_file: Path
    latency_seconds: float
    _writing = threading.Lock()

    def do_GET(self) -> None:
        """Answer with an object, a part of it, or a listing."""
        parts = urlsplit(self.path)
        if "list-type" in (query := parse_qs(parts.query)):
            given = {name: values[0] for name, values in query.items()}
            self._list(unquote(parts.path).strip("/"), given)
        else:
            self._object(with_body=True)

    def do_HEAD(self) -> None:
        """Answer with the headers of an object."""
        self._object(with_body=False)

    def log_message(self, *_arguments: object) -> None:
        """Log nothing: requests are recorded elsewhere."""

    def _object(self, *, with_body: bool) -> None:
        key = unquote(urlsplit(self.path).path).lstrip("/")
        path = (self.folder / key).resolve()
        if not (path.is_relative_to(self.folder) and path.is_file()):
            self._answer(404, _error("NoSuchKey"), {}, with_body=with_body, key=key)
            return
        size = path.stat().st_size
        start, end = byte_range(self.headers.get("Range"), size)
        with path.open("rb") as file:
            file.seek(start)
            body = file.read(end - start)
        headers = {
            "ETag": f'"{path.stat().st_mtime_ns:x}"',
            "Last-Modified": self.date_time_string(path.stat().st_mtime),
        }
        partial = "Range" in self.headers
        if partial:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        self._answer(206 if partial else 200, body, headers, with_body=with_body, key=key)

    def _list(self, bucket: str, query: dict[str, str]) -> None:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("continuation-token", query.get("start-after", ""))
        names = [name for name in listed(self.folder / bucket, prefix, delimiter) if name > after]
        page, more = names[:_KEYS_ON_A_PAGE], len(names) > _KEYS_ON_A_PAGE
        items = "".join(_item(self.folder / bucket, name) for name in page)
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        head = f"<IsTruncated>{str(more).lower()}</IsTruncated><KeyCount>{len(page)}</KeyCount>{token}"
        body = f"<ListBucketResult><Prefix>{escape(prefix)}</Prefix>{head}{items}</ListBucketResult>".encode()
        self._answer(
            200, body, {"Content-Type": "application/xml"}, with_body=True, key=f"{bucket}/{prefix}", of="LIST"
        )

    def _answer(
        self, status: int, body: bytes, headers: dict[str, str], *, with_body: bool, key: str, of: str | None = None
    ) -> None:
        with self._writing, self.log_file.open("a", encoding="utf-8") as log:
            log.write(json.dumps([of or self.command, key, len(body) if with_body else 0]) + "\n")
        time.sleep(self.latency_seconds)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body)), "Accept-Ranges": "bytes"}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def byte_range(header: str | None, size: int) -> tuple[int, int]:
    """Return the range of bytes (start, end) that a Range header asks for; the whole object without one."""
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if asked is None:
        return 0, size
    first, last = asked.groups()
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


def listed(bucket: Path, prefix: str, delimiter: str) -> list[str]:
    """Return the keys of a bucket that begin with a prefix, in order; with a delimiter, folders for what is in them."""
    inside = bucket / prefix.rpartition("/")[0]
    found = inside.iterdir() if delimiter else inside.rglob("*")
    names = (
        path.relative_to(bucket).as_posix() + ("/" if path.is_dir() else "")
        for path in (found if inside.is_dir() else ())
        if delimiter or path.is_file()
    )
    return sorted(name for name in names if name.startswith(prefix))


def _item(bucket: Path, name: str) -> str:
    if name.endswith("/"):
        return f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
    stat = (bucket / name).stat()
    modified = datetime.fromtimestamp(stat.st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return (
        f"<Contents><Key>{escape(name)}</Key><LastModified>{modified}</LastModified><Size>{stat.st_size}</Size>"
        f'<ETag>"{stat.st_mtime_ns:x}"</ETag></Contents>'
    )


def _error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code></Error>".encode()


def main(arguments: Sequence[str]) -> None:
    """Serve `<folder> <log> <latency in seconds>` until it is ended."""
    folder, log, latency = arguments
    settings = {"folder": Path(folder).resolve(), "log_file": Path(log), "latency_seconds": float(latency)}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), settings))
    print(server.server_address[1], flush=True)  # noqa: T201 - who started this reads it
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])

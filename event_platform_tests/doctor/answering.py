"""A store that answers every request in the same way, as real ones do on a bad day."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

_ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>Not today</Message></Error>"
_QUERY_ERROR = "<ErrorResponse><Error><Code>{code}</Code><Message>Not today</Message></Error></ErrorResponse>"


@contextmanager
def answering(status: int, code: str, headers: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield the address of a server here that answers with a status, a code of AWS (or none), and headers."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            form = _QUERY_ERROR if self.headers["Content-Type"] else _ERROR
            body = b"" if self.command == "HEAD" or not code else form.format(code=code).encode()
            self.send_response_only(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - as the server calls them

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()

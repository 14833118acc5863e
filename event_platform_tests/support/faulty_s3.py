"""An S3 that fails as told: a proxy in front of a server, which answers some requests with faults instead.

Rules say which: see `Rule`. The first one that fits a request is taken, as often as it says. It also gives out
temporary credentials, as a container on ECS gets them, and refuses those that have expired. The proxy is a process of
its own, for the reason that `s3_server` is: some calls of delta-rs keep all other Python threads from running.
"""

import http.client
import json
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from bench.local_servers import free_port

#: What S3 answers: by its code, the status and what it says.
_ANSWERS = {
    "SlowDown": (503, "Please reduce your request rate."),
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "AccessDenied": (403, "Access Denied"),
    "ExpiredToken": (400, "The provided token has expired."),
    "InvalidAccessKeyId": (403, "The AWS Access Key Id you provided does not exist in our records."),
    "NoSuchBucket": (404, "The specified bucket does not exist"),
    "NoSuchKey": (404, "The specified key does not exist."),
    "PermanentRedirect": (
        301,
        "The bucket you are attempting to access must be addressed using the specified endpoint.",
    ),
    "AuthorizationHeaderMalformed": (400, "The authorization header is malformed; the region is wrong"),
}

#: Kinds of faults that are no answer of S3.
RESET = "reset"  # the connection ends before the request is passed on
LOST_ANSWER = "lost answer"  # the server does as it is told, and then the connection ends
TRUNCATED = "truncated"  # half of the body, and after `seconds` the connection ends
SILENCE = "silence"  # no answer, for `seconds`
LATE = "late"  # the right answer, after `seconds`

_CONTROL = "/-/"
_SESSION = "ASIASESSION"
_ACCESS_KEY = re.compile(r"Credential=([^/]+)/")


@dataclass(frozen=True)
class Rule:
    """A fault, and the requests that meet it."""

    method: str  # a pattern, as `GET|HEAD`
    path: str  # a pattern to find in /bucket/key?query, decoded
    fault: str = ""  # a code of S3 or one of the kinds above; nothing to pass the request on
    times: int | None = 1  # None: always
    after: int = 0  # so many requests that fit are passed on first
    seconds: float = 0
    region: str = ""  # of the bucket, as S3 tells it with every answer
    put: Mapping[str, str] = field(default_factory=dict)  # objects that somebody else writes just before: by path
    delete: tuple[str, ...] = ()  # and that somebody else deletes
    age: float = 0  # by so many seconds the credentials that were given out are older afterwards


@dataclass(frozen=True)
class Request:
    """A request that came."""

    method: str
    path: str
    access_key: str
    fault: str


@dataclass(frozen=True)
class FaultyS3:
    """A proxy that runs."""

    endpoint: str

    def set(self, *rules: Rule) -> None:
        """Take these rules instead of all former ones, and forget what came."""
        self._ask("rules", json.dumps([asdict(rule) for rule in rules]).encode())

    def give_sessions(self, seconds: float) -> str:
        """Give out credentials that expire after so many seconds, others after a quarter; return their address.

        They only age as rules and `age` say, however slow the machine is. Nobody has asked at that address before.
        """
        self._ask("sessions", json.dumps(seconds).encode())
        return f"{self.endpoint}{_CONTROL}{uuid.uuid4().hex}/credentials"

    def age(self, seconds: float) -> None:
        """Make the credentials that were given out so many seconds older."""
        self._ask("age", json.dumps(seconds).encode())

    def requests(self) -> list[Request]:
        """Return what came since the rules were set."""
        return [Request(**each) for each in json.loads(self._ask("requests"))]

    def faults(self) -> int:
        """Return how many requests met a fault."""
        return sum(bool(each.fault) for each in self.requests())

    def _ask(self, what: str, data: bytes | None = None) -> bytes:
        with urllib.request.urlopen(f"{self.endpoint}{_CONTROL}{what}", data, timeout=10) as answer:  # noqa: S310
            return bytes(answer.read())


@contextmanager
def faulty_s3(endpoint: str) -> Iterator[FaultyS3]:
    """Run a proxy in front of `endpoint`, with no rules."""
    port = free_port()
    command = [sys.executable, "-m", __name__, str(port), endpoint.removeprefix("http://")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    proxy = FaultyS3(f"http://127.0.0.1:{port}")
    try:
        for _ in range(6_000):  # five minutes: on a busy machine a process takes its time to start
            try:
                proxy.requests()
                break
            except OSError:
                assert process.poll() is None, "the proxy has ended"
                time.sleep(0.05)
        yield proxy
    finally:
        process.kill()  # it has nothing to finish
        process.wait()


class _State:
    """What the proxy knows, shared by its threads."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.lock = threading.Lock()
        self.rules: list[dict[str, Any]] = []
        self.requests: list[dict[str, str]] = []
        self.seconds = 0.0
        self.now = 0.0  # by which sessions age
        self.sessions: list[float] = []  # when each was given out first

    def session(self) -> dict[str, str]:
        """Return the credentials of now, as the endpoint of ECS does."""
        with self.lock:
            if not self.sessions or self.now - self.sessions[-1] > self.seconds / 4:
                self.sessions.append(self.now)
            # So soon that boto3 asks each time, and never in the past.
            expires = datetime.now(UTC) + timedelta(seconds=max(self.seconds, 590))
            return {
                "AccessKeyId": f"{_SESSION}{len(self.sessions) - 1:09d}",
                "SecretAccessKey": "made-up",
                "Token": "made-up",
                "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }

    def has_expired(self, access_key: str) -> bool:
        """Say whether a key is one of a session that is over."""
        if not access_key.startswith(_SESSION):
            return False
        with self.lock:
            return self.now > self.sessions[int(access_key.removeprefix(_SESSION))] + self.seconds

    def pass_time(self, seconds: float) -> None:
        """Make sessions so much older."""
        with self.lock:
            self.now += seconds

    def rule_for(self, method: str, path: str) -> dict[str, Any] | None:
        """Return the rule that a request meets, and count it."""
        with self.lock:
            for rule in self.rules:
                if not (re.fullmatch(rule["method"], method) and re.search(rule["path"], path)):
                    continue
                if rule["after"] > 0:
                    rule["after"] -= 1
                elif rule["times"] is None or rule["times"] > 0:
                    rule["times"] = None if rule["times"] is None else rule["times"] - 1
                    return dict(rule)
        return None

    def note(self, method: str, path: str, access_key: str, fault: str) -> None:
        with self.lock:
            self.requests.append({"method": method, "path": path, "access_key": access_key, "fault": fault})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: _State

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith(_CONTROL):
            self._control(body)
            return
        path = unquote(self.path)
        signed = _ACCESS_KEY.search(self.headers.get("Authorization", ""))
        access_key = signed[1] if signed else ""
        if self.state.has_expired(access_key):
            self.state.note(self.command, path, access_key, "ExpiredToken")
            self._answer(*_as_s3("ExpiredToken", "", {}))
            return
        rule = self.state.rule_for(self.command, path)
        self.state.note(self.command, path, access_key, rule["fault"] if rule else "")
        if rule is None:
            self._answer(*self._upstream(body))
            return
        for changed, content in rule["put"].items():
            self._elsewhere("PUT", changed, content.encode())
        for gone in rule["delete"]:
            self._elsewhere("DELETE", gone, b"")
        if rule["fault"] != TRUNCATED:
            time.sleep(rule["seconds"])
        self.state.pass_time(rule["age"])
        self._fail(rule, body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815 - these names are looked for

    def _fail(self, rule: Mapping[str, Any], body: bytes) -> None:
        told = {"x-amz-bucket-region": rule["region"]} if rule["region"] else {}
        if rule["fault"] in _ANSWERS:
            self._answer(*_as_s3(rule["fault"], rule["region"], told))
        elif rule["fault"] in {"", LATE}:
            status, headers, content = self._upstream(body)
            self._answer(status, {**headers, **told}, content)
        else:
            if rule["fault"] in {LOST_ANSWER, TRUNCATED}:
                answer = self._upstream(body)
                if rule["fault"] == TRUNCATED:
                    self._answer(*answer, share=0.5)
                    self.wfile.flush()
                    time.sleep(rule["seconds"])
            self._reset()

    def _reset(self) -> None:
        """End the connection with a RST, as a host that has gone does."""
        self.close_connection = True
        self.wfile.flush()
        time.sleep(0.05)  # what was written is read before
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.wfile = self.rfile = _closed()

    def _upstream(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.state.upstream, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {"connection", "expect"}}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        dropped = {"connection", "transfer-encoding", "date", "server"}
        return answer.status, {n: v for n, v in answer.getheaders() if n.lower() not in dropped}, content

    def _elsewhere(self, method: str, path: str, body: bytes) -> None:
        connection = http.client.HTTPConnection(self.state.upstream, timeout=60)
        # Who it was the server does not look at, as long as it was somebody.
        connection.request(method, path, body, {"Authorization": self.headers.get("Authorization", "")})
        connection.getresponse().read()
        connection.close()

    def _answer(self, status: int, headers: Mapping[str, str], content: bytes, share: float = 1) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() != "content-length" or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD" and status != http.HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: int(len(content) * share)])

    def _control(self, body: bytes) -> None:
        with self.state.lock:
            if self.path.endswith("rules"):
                self.state.rules, self.state.requests = json.loads(body), []
            elif self.path.endswith("sessions"):
                self.state.seconds, self.state.sessions = json.loads(body), []
            elif self.path.endswith("age"):
                self.state.now += json.loads(body)
            told: object = self.state.requests
        if self.path.endswith("credentials"):
            self.state.note("GET", self.path, "", "")
            told = self.state.session()
        self._answer(200, {"Content-Type": "application/json"}, json.dumps(told).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _as_s3(code: str, region: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
    status, message = _ANSWERS[code]
    told = {
        "AuthorizationHeaderMalformed": f"<Region>{region}</Region>",
        "ExpiredToken": "<Token-0>a-token-that-expired</Token-0>",
    }.get(code, "")
    content = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{told}</Error>"
    return status, {"Content-Type": "application/xml", **headers}, content.encode()


def _closed() -> Any:
    """Return a file that is closed: there is nothing to write any more when the handler ends."""
    import io  # noqa: PLC0415

    file = io.BytesIO()
    file.close()
    return file


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients go away when they have had enough."""


def _serve(port: int, upstream: str) -> None:
    handler: Callable[..., _Handler] = type("Handler", (_Handler,), {"state": _State(upstream)})
    _Server(("127.0.0.1", port), handler).serve_forever()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), sys.argv[2])

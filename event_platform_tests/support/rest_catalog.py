"""A REST catalog of Iceberg, on this machine: the protocol over HTTP, in front of a catalog in SQLite.

What it serves is what a client of Iceberg needs to create, load, commit, list and drop tables.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import unquote

from pyiceberg.catalog.rest import CreateTableRequest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.table import CommitTableRequest, Table
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER

_STATUSES = {
    NoSuchNamespaceError: 404,
    NoSuchTableError: 404,
    NamespaceAlreadyExistsError: 409,
    TableAlreadyExistsError: 409,
    CommitFailedException: 409,
}


@contextmanager
def rest_catalog(folder: Path, **properties: str) -> Iterator[str]:
    """Run a server on a free port, and return its address. `properties` are how it reaches the files of tables."""
    catalog = SqlCatalog("served", uri=f"sqlite:///{folder / 'served.db'}", warehouse=str(folder), **properties)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(catalog))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(catalog: SqlCatalog) -> type[BaseHTTPRequestHandler]:
    one_at_a_time = Lock()  # of SQLite's writers

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = [unquote(part) for part in self.path.partition("?")[0].strip("/").split("/")[1:]]
            try:
                with one_at_a_time:
                    status, answer = 200, _answer(catalog, self.command, path, json.loads(body or "{}"))
            except tuple(_STATUSES) as error:
                status, kind = _STATUSES[type(error)], type(error).__name__
                answer = {"error": {"message": str(error), "type": kind, "code": status}}
            data = b"" if self.command == "HEAD" or answer is None else json.dumps(answer).encode()
            self.send_response(status if answer is not None else 204)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815 - as the base class calls them

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    return Handler


def _answer(catalog: SqlCatalog, method: str, path: list[str], body: dict[str, Any]) -> Any:
    """Return the answer to a request; None for one without content."""
    answer: Any = None
    match method, path:
        case "GET", ["config"]:
            answer = {"defaults": {}, "overrides": {}}
        case "GET", ["namespaces"]:
            answer = {"namespaces": catalog.list_namespaces()}
        case "POST", ["namespaces"]:
            catalog.create_namespace(tuple(body["namespace"]), body.get("properties", {}))
            answer = {"namespace": body["namespace"], "properties": {}}
        case "GET" | "HEAD", ["namespaces", namespace]:
            answer = {"namespace": [namespace], "properties": catalog.load_namespace_properties(namespace)}
        case "GET", ["namespaces", namespace, "tables"]:
            found = [{"namespace": [namespace], "name": name} for _, name in catalog.list_tables(namespace)]
            answer = {"identifiers": found}
        case "POST", ["namespaces", namespace, "tables"]:
            answer = _created(catalog, namespace, CreateTableRequest.model_validate({"location": None, **body}))
        case "GET" | "HEAD", ["namespaces", namespace, "tables", name]:
            answer = _loaded(catalog.load_table((namespace, name)))
        case "POST", ["namespaces", namespace, "tables", name]:
            answer = _committed(catalog, (namespace, name), body)
        case "DELETE", ["namespaces", namespace, "tables", name]:
            catalog.drop_table((namespace, name))
        case _:
            raise NotImplementedError(f"{method} {path}")
    return answer


def _created(catalog: SqlCatalog, namespace: str, request: CreateTableRequest) -> Any:
    create: Callable[..., Any] = catalog._create_staged_table if request.stage_create else catalog.create_table
    spec, order = request.partition_spec or UNPARTITIONED_PARTITION_SPEC, request.write_order or UNSORTED_SORT_ORDER
    name = (namespace, request.name)
    return _loaded(create(name, request.table_schema, request.location, spec, order, request.properties))


def _loaded(table: Table) -> Any:
    metadata = json.loads(table.metadata.model_dump_json())
    return {"metadata-location": table.metadata_location, "metadata": metadata, "config": {}}


def _committed(catalog: SqlCatalog, name: tuple[str, str], body: dict[str, Any]) -> Any:
    request = CommitTableRequest.model_validate({"identifier": {"namespace": name[:1], "name": name[1]}, **body})
    named = cast("Table", SimpleNamespace(name=lambda: name))  # all that is asked of it: it may not exist yet
    return json.loads(catalog.commit_table(named, request.requirements, request.updates).model_dump_json())

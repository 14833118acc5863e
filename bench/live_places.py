"""Where a live platform is measured: landing, the lake and Dagster's records, in a folder or a bucket of moto's."""

import os
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import boto3

from bench.commands import Commands, module
from bench.live_processes import started
from bench.local_servers import free_port
from bench.rows import variables
from event_platform.environment import SAMPLE_CATALOG
from event_platform.lake.lake import Lake
from event_platform.storage.storage import Storage
from event_platform_tests.support.faulty_s3 import LATE, FaultyS3, Request, Rule, faulty_s3
from event_platform_tests.support.s3 import ACCESS_KEY, REGION, SECRET_KEY, s3_server, s3_variables

_ROOT = Path(__file__).parents[1]
_BUCKET = "measured"


class Place:
    """A folder with landing, the lake and DAGSTER_HOME of one measurement."""

    #: Of the tables' logs.
    seconds_between_looks = 0.25

    def __init__(self, folder: Path) -> None:
        """Take a folder, which need not be there."""
        self.folder, self.landing, self.home = folder, folder / "landing", folder / "home"
        self.landing_uri, self.lake_uri = f"{self.landing}", f"{folder / 'lake'}"

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment of every command that prepares the day."""
        return variables(self.landing_uri, SAMPLE_CATALOG, self.lake_uri)

    @property
    def measured_variables(self) -> Mapping[str, str]:
        """The environment of `dagster dev`."""
        return self.variables

    def open_lake(self) -> Lake:
        """Open the lake, for what the measurement itself looks at."""
        return Lake(Storage(self.lake_uri))

    def prepare(self, events: int) -> None:
        """Load a day of so many events that arrives today."""
        self.landing.mkdir(parents=True, exist_ok=True)
        if events:
            self.generate(events)
        Commands(self.folder, self.variables).run("run", module("event_platform", "run", "--warn-only"))

    def generate(self, events: int) -> None:
        """Land objects of today."""
        settings = {**self.variables, "EVENT_PLATFORM_LANDING": f"{self.landing}"}
        day = ["--days", "1", "--from", f"{datetime.now(UTC).date()}"]
        command = module("event_platform", "generate", "--events", f"{events}", *day)
        Commands(self.folder, settings).run("generate", command)

    def put(self, name: str, data: bytes) -> None:
        """Land an object: it is there whole or not at all, as on S3."""
        path, part = self.landing / name, self.folder / "part"
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.rename(path)

    def files(self) -> int:
        """Return how many Parquet files there are in the lake."""
        return sum(1 for _ in Path(self.lake_uri).rglob("*.parquet"))

    def requests(self) -> Mapping[str, int]:
        """Return the requests of `dagster dev` to S3 since the last call, by kind."""
        return {}

    @contextmanager
    def dagster_dev(self) -> Iterator[None]:
        """Run `dagster dev` with records of its own, as a user starts it."""
        self.home.mkdir()
        shutil.copy(_ROOT / ".dagster" / "dagster.yaml", self.home)
        command = [f"{Path(sys.executable).with_name('dagster')}", "dev", "-w", "workspace.yaml"]
        command += ["-h", "127.0.0.1", "-p", f"{free_port()}"]
        settings = {**self.measured_variables, "DAGSTER_HOME": f"{self.home}"}
        with started(command, settings, _ROOT, self.folder / "dagster-dev.log"):
            yield

    def runs(self) -> list[tuple[str, float]]:
        """Return the status of each run in Dagster's records, and the seconds that it took; 0 where it has not ended.

        By SQL: to open the records as Dagster does takes longer than to read them.
        """
        records = self.home / "history" / "runs.db"
        with closing(sqlite3.connect(f"{records.as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute("select status, coalesce(end_time - start_time, 0) from runs").fetchall()


class BucketPlace(Place):
    """Landing and lake are in a bucket; only `dagster dev` asks for them by way of the proxy, which delays it."""

    #: A look is a request for each table, of a server on the same cores.
    seconds_between_looks = 2

    def __init__(self, folder: Path, endpoint: str, proxy: FaultyS3, latency_seconds: float) -> None:
        """Make the bucket."""
        super().__init__(folder)
        self.landing_uri, self.lake_uri = (f"s3://{_BUCKET}/{name}" for name in ("landing", "lake"))
        self._endpoint, self._proxy = endpoint, proxy
        self._delay = Rule(".*", "", LATE, times=None, seconds=latency_seconds)
        self._client = boto3.client(
            "s3",
            region_name=REGION,
            endpoint_url=endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )
        self._client.create_bucket(Bucket=_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.requests()

    @property
    def variables(self) -> Mapping[str, str]:
        """Nothing of the user's own AWS is in it."""
        others = {name: value for name, value in super().variables.items() if not name.startswith("AWS_")}
        return others | s3_variables(self._endpoint)

    @property
    def measured_variables(self) -> Mapping[str, str]:
        """As the others, but by way of the proxy."""
        return {**self.variables, **s3_variables(self._proxy.endpoint)}

    def open_lake(self) -> Lake:
        """Open the lake, past the proxy."""
        keys = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY, "region": REGION}
        return Lake(Storage(self.lake_uri, {**keys, "endpoint": self._endpoint, "allow_http": "true"}))

    def generate(self, events: int) -> None:
        """Land objects of today."""
        super().generate(events)
        for path in self.landing.rglob("*.gz"):
            self.put(path.relative_to(self.landing).as_posix(), path.read_bytes())

    def put(self, name: str, data: bytes) -> None:
        """Land an object."""
        self._client.put_object(Bucket=_BUCKET, Key=f"landing/{name}", Body=data)

    def files(self) -> int:
        """Return how many Parquet files there are in the lake."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=_BUCKET, Prefix="lake/")
        return sum(each["Key"].endswith(".parquet") for page in pages for each in page.get("Contents", []))

    def requests(self) -> Mapping[str, int]:
        """Return the requests of `dagster dev` to S3 since the last call, by kind."""
        made = Counter(map(_kind, self._proxy.requests()))
        self._proxy.set(self._delay)
        return dict(made)


def _kind(request: Request) -> str:
    if "list-type" in request.path:
        return "LIST"
    return f"{request.method} of a log" if "/_delta_log/" in request.path else request.method


@contextmanager
def bucket_place(folder: Path, latency_seconds: float) -> Iterator[BucketPlace]:
    """Run a server and the proxy that delays each request, and yield a place with a bucket there."""
    folder.mkdir(parents=True)
    with (
        patch.dict(os.environ, XDG_CACHE_HOME=f"{folder / 'cache'}"),  # where copies of logs are kept
        s3_server(folder / "s3.log", keys_on_a_page=1_000) as endpoint,
        faulty_s3(endpoint) as proxy,
    ):
        yield BucketPlace(folder, endpoint, proxy, latency_seconds)

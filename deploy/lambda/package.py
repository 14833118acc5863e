"""Package the filter of the stream for AWS Lambda: the modules that its handler imports, its libraries, an envelope.

    python deploy/lambda/package.py --libraries <folder> --catalog <folder> <zip>

The same input gives the same bytes, so that Terraform replaces the function only where something has changed. boto3 is
part of Lambda's runtime.
"""

import argparse
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from event_platform.environment import SAMPLE_CATALOG
from event_platform.events.envelope_file import load_envelope
from event_platform.stream.filter.handler import ENVELOPE_FILE, write_envelope

_HANDLER = "event_platform.stream.filter.handler"
_ROOT = Path(__file__).parents[2]

#: Prints the files of our modules that are imported with the handler, and nothing else.
_LIST = f"""
import sys, {_HANDLER}
ours = [module for name, module in sorted(sys.modules.items()) if name.split(".")[0] == "event_platform"]
print(*(module.__file__ for module in ours), sep="\\n")
"""


def modules() -> list[Path]:
    """Return the files of the handler's module and of all of ours that it imports, in a new process."""
    listed = subprocess.run([sys.executable, "-c", _LIST], check=True, capture_output=True, text=True, cwd=_ROOT)  # noqa: S603
    return [Path(line) for line in listed.stdout.splitlines()]


def package(libraries: Path, catalog: Path, target: Path) -> None:
    """Write the zip. `libraries` is a folder with msgspec for Lambda's Python and processor."""
    contents = dict(_contents(libraries, catalog))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name)  # of 1980, and readable by everybody
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, contents[name])


def _contents(libraries: Path, catalog: Path) -> Iterator[tuple[str, bytes]]:
    for path in modules():
        yield str(path.relative_to(_ROOT)), path.read_bytes()
    for path in libraries.rglob("*"):
        if path.suffix in {".py", ".so"} or path.name == "LICENSE":
            yield str(path.relative_to(libraries)), path.read_bytes()
    envelope = write_envelope(load_envelope(catalog / "envelope.yaml"))
    yield str(ENVELOPE_FILE.relative_to(_ROOT)), envelope


def main() -> None:
    """Read the command line, and package."""
    parser = argparse.ArgumentParser(description="Package the filter of the stream for AWS Lambda.")
    parser.add_argument("--libraries", type=Path, required=True)
    parser.add_argument("--catalog", type=Path, default=SAMPLE_CATALOG)
    parser.add_argument("target", type=Path)
    given = parser.parse_args()
    given.target.parent.mkdir(parents=True, exist_ok=True)
    package(given.libraries, given.catalog, given.target)
    print(f"{given.target}: {given.target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

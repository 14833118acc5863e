"""Pages from templates: one environment that escapes everything, and scripts that a page allows by hash."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Script:
    """A script within a page."""

    text: str

    @property
    def hash(self) -> str:
        """The hash by which a Content Security Policy allows it."""
        return f"sha256-{base64.b64encode(hashlib.sha256(self.text.encode()).digest()).decode()}"


def render(template: str, values: object) -> bytes:
    """Render a template of the folder `templates`."""
    return environment().get_template(template).render(values).encode()


@cache
def read_script(name: str) -> Script:
    """Read a script of the folder `templates`."""
    return Script((_FOLDER / name).read_text(encoding="utf-8"))


@cache
def environment() -> "Environment":
    """Return the environment of all templates. A name that is not defined is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - slow, and for reports alone

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    return environment


def _number(value: int) -> str:
    """Return a number formatted for tables; empty for zero."""
    return f"{value:,}" if value else ""

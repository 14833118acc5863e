"""`event-platform new`: a project of one's own around the installed package, from the templates beside this module."""

import importlib.util
import re
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from event_platform.cli.output import OUT
from event_platform.defs.instance.dagster_yaml import EXAMPLE
from event_platform.events.errors import SettingError

_TEMPLATES, _SUFFIX = Path(__file__).parent / "templates", ".jinja"

#: Folders of every project: a package cannot have their names.
_TAKEN = {"catalog", "data", "tests"}


def make_project(folder: Path) -> None:
    """Write a project to a folder, which must be empty or not exist. Raises SettingError if that is impossible."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingError(f"{folder}: is not an empty folder; give one that is empty or does not exist")
    name = folder.resolve().name
    package = _package(name)
    known = {"name": name, "package": package, "version": version("event-platform")}
    environment = Environment(  # noqa: S701 - what is written is no HTML
        loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True
    )
    for template in sorted(environment.list_templates(extensions=[_SUFFIX[1:]])):
        path = folder / re.sub("^package/", f"{package}/", template).removesuffix(_SUFFIX)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(environment.get_template(template).render(known), encoding="utf-8")
    home = folder / ".dagster"
    home.mkdir()
    shutil.copy(EXAMPLE, home / "dagster.yaml")
    _show_next_steps(folder)


def _package(name: str) -> str:
    """Return the name of the project's package. Raises SettingError if it is not importable."""
    package = re.sub(r"[-. ]+", "_", name).lower()
    if not re.fullmatch("[a-z][a-z0-9_]*", package):
        raise SettingError(f"{name}: expected a name of letters, digits, - and _ that begins with a letter")
    if package in _TAKEN or importlib.util.find_spec(package) is not None:
        raise SettingError(f"{name}: there is a package {package} already; give the folder another name")
    return package


def _show_next_steps(folder: Path) -> None:
    python = shutil.which("python")
    active = python is not None and Path(python).parent == Path(sys.executable).parent
    make = "make" if active else f"make PYTHON={sys.executable}"
    introduction = f"{folder}: a project with an example asset, its test and an empty catalog. What to do next:"
    for line in (introduction, f"  cd {folder}", f"  {make} test", f"  {make} dev"):
        OUT.print(line, soft_wrap=True, highlight=False, markup=False)

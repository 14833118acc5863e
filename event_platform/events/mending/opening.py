"""The text of a mend file → the functions in it, compiled once in each process."""

import hashlib
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import ModuleType

from event_platform.events.errors import CatalogError
from event_platform.events.mending.declared import DeadLetter, MendedRecord
from event_platform.events.mending.files import MendFile, MendFunction, Mending


def open_function(function: MendFunction) -> Callable[[DeadLetter], MendedRecord]:
    """Return a function from its file. Raises the errors of running the file."""
    module = _module(function.file)
    if not isinstance(module, ModuleType):
        raise module
    result: Callable[[DeadLetter], MendedRecord] = getattr(module, function.name)
    return result


def require_runnable(mending: Mending) -> None:
    """Raise CatalogError, with one line for each fault, if a file cannot be run."""
    faults = [fault for file in mending.files for fault in _faults(file)]
    if faults:
        raise CatalogError("\n".join(faults))


@lru_cache(maxsize=64)
def _module(file: MendFile) -> ModuleType | Exception:
    """Run a file, and return its module or the error it raises. Cached: it does not run again for each record."""
    module = ModuleType(f"event_platform_mend_{hashlib.sha256(file.path.encode()).hexdigest()[:8]}_{file.version}")
    module.__file__ = file.path
    sys.modules[module.__name__] = module  # where dataclasses look for annotations
    try:
        exec(compile(file.text, file.path, "exec"), module.__dict__)  # noqa: S102 - it is a file of the catalog
    except SystemExit as error:
        return RuntimeError(f"it ends the process: {error}")
    except Exception as error:  # noqa: BLE001 - whatever it raises
        return error
    return module


def _faults(file: MendFile) -> Iterator[str]:
    error = _module(file)
    if isinstance(error, Exception):
        lines = [each.lineno for each in traceback.extract_tb(error.__traceback__) if each.filename == file.path]
        line = f":{lines[-1]}" if lines else ""
        yield f"{file.path}{line}: cannot be run: {' '.join(str(error).split())} ({type(error).__name__})"

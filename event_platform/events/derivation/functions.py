"""Functions in files of the catalog. Their source is checked when the catalog loads, and runs where rows are made.

The source is sent to workers with the event type, so they need no copy of the catalog. A file is self-contained: it can
import installed packages, but no other file of the catalog.
"""

import ast
import sys
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from types import ModuleType
from typing import Any

from event_platform.events.derivation.column import Function


def defines(source: str, name: str) -> bool:
    """Return whether a module defines a function, without running it. Raises SyntaxError or ValueError."""
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in ast.parse(source).body)


def load_function(function: Function) -> Callable[..., Any]:
    """Return a function, from its source. Raises the errors of running the module."""
    loaded: Callable[..., Any] = getattr(_module(function.module, function.source), function.name)
    return loaded


@lru_cache(maxsize=256)
def _module(name: str, source: str) -> ModuleType:
    """Run a source, once in each process. Modules of other versions of the same file are others."""
    module = ModuleType(f"event_platform_catalog.{name}_{sha256(source.encode()).hexdigest()[:16]}")
    sys.modules[module.__name__] = module  # dataclasses look themselves up
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)  # noqa: S102 - the catalog's own code
    return module

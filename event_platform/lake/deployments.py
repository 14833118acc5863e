"""Deployments: which catalog types the events of a lake. Two with different catalogs would undo each other's work."""

import json
import platform
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from event_platform.events.catalog import Catalog
from event_platform.events.columns import storage_shape
from event_platform.lake.snapshot import Snapshot

_KEY = "deployment"

#: Number of recent commits that are searched for this deployment's last one.
_LOOKED_BACK = 50


@dataclass(frozen=True)
class Deployment:
    """A fingerprint of a catalog, and where it was read."""

    catalog: str
    folder: str
    host: str

    def __str__(self) -> str:
        """Return the catalog's folder and host, for messages."""
        return f"{self.folder} on {self.host} (catalog {self.catalog})"


def deployment_of(catalog: Catalog) -> Deployment:
    """Return the deployment of this process, with its catalog."""
    types = {
        name: [*storage_shape(event_type.columns), *event_type.derivations]
        for name, event_type in catalog.by_name.items()
    }
    number = zlib.crc32(json.dumps([sorted(types.items()), catalog.envelope.definition]).encode())
    return Deployment(f"{number:08x}", catalog.folder, platform.node())


def as_metadata(deployment: Deployment) -> dict[str, Any]:
    """Return the commit info that names the deployment."""
    return {_KEY: asdict(deployment)}


def other_deployment(table: Snapshot, own: Deployment) -> str | None:
    """Describe another catalog with which the last commits of a table were made; None if there is none.

    A new release of the same catalog is not reported: nothing was committed with it before.
    """
    last = _deployments(table, 1)
    if not last or last[-1].catalog == own.catalog:
        return None
    if not any(deployment.catalog == own.catalog for deployment in _deployments(table, _LOOKED_BACK)):
        return None
    return (
        f"two catalogs type the events of this lake, and undo each other's work: {own}, and {last[-1]}. Give each "
        "deployment a lake of its own (EVENT_PLATFORM_LAKE), or both the same catalog"
    )


def _deployments(table: Snapshot, commits: int) -> list[Deployment]:
    infos = table.commits_since(max(table.version - commits, 0))
    return [Deployment(**info[_KEY]) for info in infos if _is_deployment(info.get(_KEY))]


def _is_deployment(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == set(Deployment.__dataclass_fields__)

"""EVENT_PLATFORM_ICEBERG: which Iceberg catalog the tables are published in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from event_platform.events.errors import SettingError
from event_platform.publishing.names import ICEBERG_PREFIX

_VARIABLE = "EVENT_PLATFORM_ICEBERG"
_EXAMPLES = "`sql`, `sql uri=postgresql+psycopg2://…`, `rest uri=https://… warehouse=…` or `glue namespace=…`"

_SECRET = re.compile("credential|pass|secret|token|key", re.IGNORECASE)

#: The default namespace of tables. In Glue it is a database, which must exist.
_NAMESPACE = "event_platform"


class CatalogKind(StrEnum):
    """The kinds of catalogs that pyiceberg opens and several engines read."""

    SQL = "sql"
    REST = "rest"
    GLUE = "glue"


@dataclass(frozen=True)
class IcebergSetting:
    """A catalog. The properties are pyiceberg's; they may hold passwords and are never shown."""

    kind: CatalogKind
    namespace: str
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def uri(self) -> str | None:
        """The address of the catalog, if one is given."""
        return self.properties.get("uri")

    @property
    def secrets(self) -> list[str]:
        """Texts that no message may show, the longest first."""
        values = [value for name, value in self.properties.items() if is_secret(name)]
        password = re.search(r"://[^/@]*:([^/@]+)@", self.uri or "")
        return sorted([*values, *([password[1]] if password else [])], key=len, reverse=True)

    def table_prefix(self, glue_database: str | None) -> str:
        """Return the prefix of table names; not empty if Delta is registered in the same Glue database."""
        is_shared = self.kind is CatalogKind.GLUE and self.namespace == glue_database
        return ICEBERG_PREFIX if is_shared else ""


def is_secret(name: str) -> bool:
    """Return whether a property of a catalog is a secret, judging by its name."""
    return bool(_SECRET.search(name))


def read_setting(text: str, glue_database: str | None = None) -> IcebergSetting:
    """Parse the definition of a catalog: its kind, then properties as `name=value`, separated by spaces.

    The namespace is the property `namespace`; in Glue, it defaults to the database in which Delta is registered. Raises
    SettingError for invalid definitions.
    """
    kind, *words = text.split() or [""]
    if kind not in list(CatalogKind):
        raise SettingError(f"{_VARIABLE}: {kind!r} is not one of {', '.join(CatalogKind)}; expected {_EXAMPLES}")
    properties = dict(_property(word) for word in words)
    default = glue_database if kind == CatalogKind.GLUE else _NAMESPACE
    namespace = properties.pop("namespace", default)
    if namespace is None:
        raise SettingError(f"{_VARIABLE}: glue: no database; expected `glue namespace=…` with the name of one")
    if kind == CatalogKind.REST and "uri" not in properties:
        raise SettingError(f"{_VARIABLE}: rest: no address; expected {_EXAMPLES}")
    return IcebergSetting(CatalogKind(kind), namespace, properties)


def _property(word: str) -> tuple[str, str]:
    name, separator, value = word.partition("=")
    if not (name and separator and value):
        raise SettingError(f"{_VARIABLE}: the properties of a catalog are name=value; expected {_EXAMPLES}")
    return name, value

"""Iceberg metadata beside Delta, for the same Parquet files: every warehouse reads them, and nothing is copied.

An Iceberg table gets exactly the files that its Delta table has at a version, in one snapshot, which says so in its
summary. Where the two differ, the next publication makes them equal, whoever caused it. pyiceberg is imported only when
a catalog is used, since that takes more than half a second.
"""

from event_platform.publishing.iceberg.catalog import IcebergCatalog, open_iceberg
from event_platform.publishing.iceberg.publication import IcebergError, Lag, Outcome, Publication
from event_platform.publishing.iceberg.setting import CatalogKind, IcebergSetting

__all__ = [
    "CatalogKind",
    "IcebergCatalog",
    "IcebergError",
    "IcebergSetting",
    "Lag",
    "Outcome",
    "Publication",
    "open_iceberg",
]

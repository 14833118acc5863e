"""Iceberg metadata beside Delta, for the same Parquet files: every warehouse reads them, and nothing is copied.

An Iceberg table gets exactly the files of its Delta table at one version, in one snapshot whose summary names the
version. Any difference, whoever caused it, is removed by the next publication. pyiceberg is imported only when a
catalog is used, because the import takes more than half a second.
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

"""DuckDB: views over `delta_scan`. Its extension `delta` is loaded by DuckDB when a view is created or read."""

from collections.abc import Iterable, Iterator

from event_platform.exporting.dialect import Dialect
from event_platform.exporting.relations import Relation
from event_platform.exporting.warehouses.base import LAKE, Warehouse, prefix, schemas_in


class DuckDB(Warehouse):
    """DuckDB has no roles: anyone who can read its file and the lake can read everything."""

    dialect = Dialect("duckdb", max_length=1_024)
    variables = (LAKE, prefix())
    schemes = ("", "s3", "gs", "az")

    def setup(self, relations: Iterable[Relation]) -> Iterator[str]:
        """See Warehouse."""
        yield from (
            f"CREATE SCHEMA IF NOT EXISTS {self.identifier(self.schema(name))}" for name in schemas_in(relations)
        )

    def view(self, relation: Relation) -> Iterator[str]:
        """See Warehouse."""
        view = self.identifier(*self.view_path(relation))
        query = self.select(relation, f"delta_scan({self.literal(self.location(relation))})")
        yield f"CREATE OR REPLACE VIEW {view} AS\n{query}"
        if relation.description.split():
            yield f"COMMENT ON VIEW {view} IS {self.dialect.comment(relation.description)}"
        for name, comment in self.columns(relation):
            if comment:
                yield f"COMMENT ON COLUMN {view}.{name} IS {comment}"

"""Trino: views in a catalog of the Delta Lake connector over the Glue Data Catalog."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from event_platform.exporting.relations import Relation
from event_platform.exporting.warehouses.athena import Athena
from event_platform.exporting.warehouses.base import GLUE_DATABASE, Variable, Warehouse, prefix, schemas_in


class Trino(Warehouse):
    """The connector has no GRANT: Trino's access control decides who may read."""

    dialect = replace(Athena.dialect, name="trino")
    variables = (
        Variable("catalog", "delta", "Catalog of the Delta Lake connector, with hive.metastore=glue"),
        GLUE_DATABASE,
        prefix("event_platform_trino_"),
    )
    schemes = ("s3",)

    def view_path(self, relation: Relation) -> tuple[str, ...]:
        """See Warehouse."""
        return self.values["catalog"], *super().view_path(relation)

    def source(self, relation: Relation) -> tuple[str, ...]:
        """See Warehouse."""
        return self.values["catalog"], self.values["glue_database"], relation.glue_name

    def setup(self, relations: Iterable[Relation]) -> Iterator[str]:
        """See Warehouse."""
        for name in schemas_in(relations):
            yield f"CREATE SCHEMA IF NOT EXISTS {self.identifier(self.values['catalog'], self.schema(name))}"

    def view(self, relation: Relation) -> Iterator[str]:
        """See Warehouse. Readers need no rights on the tables: a view is read as its owner."""
        view = self.view_path(relation)
        comment = f" COMMENT {self.dialect.comment(relation.description)}" if relation.description.split() else ""
        query = self.select(relation, self.identifier(*self.source(relation)))
        yield f"CREATE OR REPLACE VIEW {self.identifier(*view)}{comment} SECURITY DEFINER AS\n{query}"
        for name, text in self.columns(relation):
            if text:
                yield f"COMMENT ON COLUMN {self.identifier(*view)}.{name} IS {text}"

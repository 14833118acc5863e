"""Trino: views in a catalog of the Delta Lake connector over the Glue Data Catalog."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from event_platform.exporting.relations import Relation
from event_platform.exporting.warehouses.athena import Athena
from event_platform.exporting.warehouses.base import GLUE_DATABASE, Variable, Warehouse, prefix, schemas_in


class Trino(Warehouse):
    """The connector has no GRANT: who may read what is in Trino's access control."""

    dialect = replace(Athena.dialect, name="trino")
    variables = (
        Variable("catalog", "delta", "Catalog of the Delta Lake connector, with hive.metastore=glue"),
        GLUE_DATABASE,
        prefix("event_platform_trino_"),
    )
    schemes = ("s3",)

    def place(self, relation: Relation) -> tuple[str, ...]:
        """See Warehouse."""
        return self.values["catalog"], *super().place(relation)

    def source(self, relation: Relation) -> tuple[str, ...]:
        """See Warehouse."""
        return self.values["catalog"], self.values["glue_database"], relation.glue_name

    def setup(self, relations: Iterable[Relation]) -> Iterator[str]:
        """See Warehouse."""
        for name in schemas_in(relations):
            yield f"CREATE SCHEMA IF NOT EXISTS {self.quoted(self.values['catalog'], self.schema(name))}"

    def view(self, relation: Relation) -> Iterator[str]:
        """See Warehouse. Readers need no rights on the tables: a view is read as its owner."""
        view = self.place(relation)
        comment = f" COMMENT {self.dialect.comment(relation.description)}" if relation.description.split() else ""
        query = self.select(relation, self.quoted(*self.source(relation)))
        yield f"CREATE OR REPLACE VIEW {self.quoted(*view)}{comment} SECURITY DEFINER AS\n{query}"
        for name, text in self.columns(relation):
            if text:
                yield f"COMMENT ON COLUMN {self.quoted(*view)}.{name} IS {text}"

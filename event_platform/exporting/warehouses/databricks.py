"""Databricks: external Delta tables of Unity Catalog, and views over them."""

import re
from collections.abc import Iterable, Iterator

from event_platform.exporting.dialect import Dialect
from event_platform.exporting.relations import Relation
from event_platform.exporting.warehouses.base import (
    ANALYSTS,
    ENGINEERS,
    LAKE,
    TABLES_SCHEMA,
    Variable,
    Warehouse,
    prefix,
    schemas_in,
)


class Databricks(Warehouse):
    """A view reads with the rights of its owner, so nobody is granted the tables, which would be writable."""

    dialect = Dialect(
        "databricks",
        quote="`",
        backslash=True,
        column_names=re.compile(r"[^./ \x00-\x20\x7f]+"),
        names_rule="no dots, spaces or slashes",
    )
    variables = (
        LAKE,
        Variable("catalog", "main", "Catalog of Unity Catalog; has to exist"),
        prefix(),
        ANALYSTS,
        ENGINEERS,
    )
    schemes = ("s3", "gs", "abfss")

    def view_path(self, relation: Relation) -> tuple[str, ...]:
        """See Warehouse."""
        return self.values["catalog"], *super().view_path(relation)

    def source(self, relation: Relation) -> tuple[str, ...]:
        """See Warehouse."""
        return self.values["catalog"], self.schema(TABLES_SCHEMA), relation.flat_name

    def setup(self, relations: Iterable[Relation]) -> Iterator[str]:
        """See Warehouse."""
        catalog = self.values["catalog"]
        roles = [self.identifier(self.values[name]) for name in ("analysts", "engineers")]
        yield f"CREATE SCHEMA IF NOT EXISTS {self.identifier(catalog, self.schema(TABLES_SCHEMA))}"
        yield from (f"GRANT USE CATALOG ON CATALOG {self.identifier(catalog)} TO {role}" for role in roles)
        for name in schemas_in(relations):
            schema = self.identifier(catalog, self.schema(name))
            yield f"CREATE SCHEMA IF NOT EXISTS {schema}"
            yield from (f"GRANT USE SCHEMA ON SCHEMA {schema} TO {role}" for role in roles)

    def view(self, relation: Relation) -> Iterator[str]:
        """See Warehouse."""
        source, view = self.identifier(*self.source(relation)), self.identifier(*self.view_path(relation))
        comment = f" COMMENT {self.dialect.comment(relation.description)}" if relation.description.split() else ""
        yield f"CREATE TABLE IF NOT EXISTS {source} USING DELTA LOCATION {self.literal(self.location(relation))}"
        columns = self.column_list(relation, "COMMENT {}")
        yield f"CREATE OR REPLACE VIEW {view} {columns}{comment} AS\n{self.select(relation, source)}"
        for role in self.readers(relation):
            yield f"GRANT SELECT ON VIEW {view} TO {self.identifier(role)}"

"""Amazon Redshift: late-binding views over an external schema of the Glue Data Catalog, which has Iceberg tables."""

import re
from collections.abc import Iterable, Iterator

from event_platform.exporting.dialect import Dialect
from event_platform.exporting.relations import Relation
from event_platform.exporting.warehouses.base import (
    ANALYSTS,
    ENGINEERS,
    Variable,
    Warehouse,
    prefix,
    schemas_in,
)
from event_platform.publishing.names import ICEBERG_PREFIX


class Redshift(Warehouse):
    """A view is dropped before it is created: Redshift replaces only a view by one with the same columns."""

    dialect = Dialect(
        "redshift",
        backslash=True,
        fold=str.lower,
        names=re.compile('[^"]+'),
        names_in_words='no "',
        length=127,
        length_in_bytes=True,
        columns=1_600,
    )
    variables = (
        Variable("iceberg_database", "<iceberg_database>", "Database of Glue that has the Iceberg tables"),
        Variable("table_prefix", ICEBERG_PREFIX, "What the names of the Iceberg tables in Glue begin with"),
        Variable("iam_role", "<iam_role>", "ARN of the role with which Redshift reads Glue and the lake"),
        Variable("external_schema", "event_platform_external", "External schema over the Glue database"),
        prefix(),
        ANALYSTS,
        ENGINEERS,
    )
    schemes = ("s3",)

    def source(self, relation: Relation) -> tuple[str, ...]:
        """See Warehouse."""
        return self.values["external_schema"], f"{self.values['table_prefix']}{relation.glue_name}"

    def setup(self, relations: Iterable[Relation]) -> Iterator[str]:
        """See Warehouse."""
        database, role = self.literal(self.values["iceberg_database"]), self.literal(self.values["iam_role"])
        yield (
            f"CREATE EXTERNAL SCHEMA IF NOT EXISTS {self.quoted(self.values['external_schema'])}\n"
            f"FROM DATA CATALOG DATABASE {database} IAM_ROLE {role}"
        )
        for name in schemas_in(relations):
            schema = self.quoted(self.schema(name))
            yield f"CREATE SCHEMA IF NOT EXISTS {schema}"
            for role in (self.values["analysts"], self.values["engineers"]):
                yield f"GRANT USAGE ON SCHEMA {schema} TO ROLE {self.quoted(role)}"

    def view(self, relation: Relation) -> Iterator[str]:
        """See Warehouse. Columns of late-binding views take no comments; those of the tables are in Glue."""
        view, query = self.quoted(*self.place(relation)), self.select(relation, self.quoted(*self.source(relation)))
        yield f"DROP VIEW IF EXISTS {view}"
        yield f"CREATE VIEW {view} AS\n{query}\nWITH NO SCHEMA BINDING"
        if relation.description.split():
            yield f"COMMENT ON VIEW {view} IS {self.dialect.comment(relation.description)}"
        for role in self.readers(relation):
            yield f"GRANT SELECT ON TABLE {view} TO ROLE {self.quoted(role)}"

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
    """A view is dropped before it is created: Redshift replaces a view only if the columns stay the same.

    A reader of the views needs USAGE of the external schema, and may then read all its tables. So tables with whole
    records are in a second schema, with a role that may read them.
    """

    dialect = Dialect(
        "redshift",
        backslash=True,
        fold=str.lower,
        column_names=re.compile('[^"]+'),
        names_rule='no "',
        max_length=127,
        counts_bytes=True,
        max_columns=1_600,
    )
    variables = (
        Variable("iceberg_database", "<iceberg_database>", "Database of Glue that has the Iceberg tables"),
        Variable("table_prefix", ICEBERG_PREFIX, "What the names of the Iceberg tables in Glue begin with"),
        Variable("iam_role", "<iam_role>", "ARN of the role that reads Glue and, of the lake, what analysts may read"),
        Variable("records_iam_role", "<records_iam_role>", "ARN of the role that reads whole records as well"),
        Variable("external_schema", "event_platform_external", "External schema over the Glue database, by iam_role"),
        Variable("records_schema", "event_platform_records", "Another one, by records_iam_role"),
        prefix(),
        ANALYSTS,
        ENGINEERS,
    )
    schemes = ("s3",)

    def source(self, relation: Relation) -> tuple[str, ...]:
        """See Warehouse."""
        schema = self.values["records_schema" if relation.holds_records else "external_schema"]
        return schema, f"{self.values['table_prefix']}{relation.glue_name}"

    def setup(self, relations: Iterable[Relation]) -> Iterator[str]:
        """See Warehouse."""
        analysts, engineers = (self.identifier(self.values[name]) for name in ("analysts", "engineers"))
        external, records = (self.identifier(self.values[name]) for name in ("external_schema", "records_schema"))
        database = self.literal(self.values["iceberg_database"])
        for schema, role in ((external, "iam_role"), (records, "records_iam_role")):
            yield (
                f"CREATE EXTERNAL SCHEMA IF NOT EXISTS {schema}\n"
                f"FROM DATA CATALOG DATABASE {database} IAM_ROLE {self.literal(self.values[role])}"
            )
        yield f"GRANT USAGE ON SCHEMA {records} TO ROLE {engineers}"
        schemas = [self.identifier(self.schema(name)) for name in schemas_in(relations)]
        yield from (f"CREATE SCHEMA IF NOT EXISTS {schema}" for schema in schemas)
        for schema in (external, *schemas):
            yield from (f"GRANT USAGE ON SCHEMA {schema} TO ROLE {role}" for role in (analysts, engineers))

    def view(self, relation: Relation) -> Iterator[str]:
        """See Warehouse. Columns of late-binding views take no comments; those of the tables are in Glue."""
        view, query = (
            self.identifier(*self.view_path(relation)),
            self.select(relation, self.identifier(*self.source(relation))),
        )
        yield f"DROP VIEW IF EXISTS {view}"
        yield f"CREATE VIEW {view} AS\n{query}\nWITH NO SCHEMA BINDING"
        if relation.description.split():
            yield f"COMMENT ON VIEW {view} IS {self.dialect.comment(relation.description)}"
        for role in self.readers(relation):
            yield f"GRANT SELECT ON TABLE {view} TO ROLE {self.identifier(role)}"

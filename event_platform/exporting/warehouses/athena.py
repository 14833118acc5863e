"""Amazon Athena: views over the Delta tables that are registered in the Glue Data Catalog."""

import re
from collections.abc import Iterable, Iterator

from event_platform.exporting.dialect import Dialect
from event_platform.exporting.relations import Relation
from event_platform.exporting.warehouses.base import GLUE_DATABASE, Warehouse, prefix, schemas_in


class Athena(Warehouse):
    """Athena has no comments on views, and grants nothing itself: Lake Formation and IAM do.

    Names are limited to those that Athena and Trino query in Glue; the platform registers no other names.
    """

    dialect = Dialect(
        "athena",
        fold=str.lower,
        column_names=re.compile("[A-Za-z_][A-Za-z0-9_]*"),
        names_rule="letters (a-z), digits and _",
        checks_fields=True,
        table_names=re.compile("[A-Za-z0-9_]+"),
        counts_bytes=True,
    )
    variables = (GLUE_DATABASE, prefix("event_platform_"))
    schemes = ("s3",)

    def source(self, relation: Relation) -> tuple[str, ...]:
        """See Warehouse."""
        return self.values["glue_database"], relation.glue_name

    def setup(self, relations: Iterable[Relation]) -> Iterator[str]:
        """See Warehouse. Athena parses this statement like Hive, with other quotes than in its queries."""
        hive = Dialect("athena", quote="`", backslash=True)
        for name in schemas_in(relations):
            yield f"CREATE DATABASE IF NOT EXISTS {hive.identifier(self.schema(name))}"

    def view(self, relation: Relation) -> Iterator[str]:
        """See Warehouse."""
        query = self.select(relation, self.identifier(*self.source(relation)))
        yield f"CREATE OR REPLACE VIEW {self.identifier(*self.view_path(relation))} AS\n{query}"

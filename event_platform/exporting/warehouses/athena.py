"""Amazon Athena: views over the Delta tables that are registered in the Glue Data Catalog."""

import re
from collections.abc import Iterable, Iterator

from event_platform.exporting.dialect import Dialect
from event_platform.exporting.relations import Relation
from event_platform.exporting.warehouses.base import GLUE_DATABASE, Warehouse, prefix, schemas_in


class Athena(Warehouse):
    """Athena has no comments on views, and grants nothing itself: Lake Formation and IAM do.

    Names are those that it queries in Glue, and Trino as well. The platform registers no others.
    """

    dialect = Dialect(
        "athena",
        fold=str.lower,
        names=re.compile("[A-Za-z_][A-Za-z0-9_]*"),
        names_in_words="letters (a-z), digits and _",
        fields_too=True,
        tables=re.compile("[A-Za-z0-9_]+"),
        length_in_bytes=True,
    )
    variables = (GLUE_DATABASE, prefix("event_platform_"))
    schemes = ("s3",)

    def source(self, relation: Relation) -> tuple[str, ...]:
        """See Warehouse."""
        return self.values["glue_database"], relation.glue_name

    def setup(self, relations: Iterable[Relation]) -> Iterator[str]:
        """See Warehouse. Athena reads this statement as Hive does, with other quotes than those of its queries."""
        hive = Dialect("athena", quote="`", backslash=True)
        for name in schemas_in(relations):
            yield f"CREATE DATABASE IF NOT EXISTS {hive.identifier(self.schema(name))}"

    def view(self, relation: Relation) -> Iterator[str]:
        """See Warehouse."""
        query = self.select(relation, self.quoted(*self.source(relation)))
        yield f"CREATE OR REPLACE VIEW {self.quoted(*self.place(relation))} AS\n{query}"

"""BigQuery: BigLake external tables over the Delta logs, and views over them."""

import re
from collections.abc import Iterable, Iterator

from event_platform.exporting.dialect import Dialect
from event_platform.exporting.relations import Relation
from event_platform.exporting.warehouses.base import LAKE, TABLES_SCHEMA, Variable, Warehouse, prefix, schemas_in

_READER = "roles/bigquery.dataViewer"


class BigQuery(Warehouse):
    """A view reads with the rights of its reader, unless the tables' dataset has authorized the view's dataset."""

    dialect = Dialect(
        "bigquery",
        quote="`",
        backslash=True,
        # Other names are off by default for external tables of Delta Lake.
        column_names=re.compile("[A-Za-z_][A-Za-z0-9_]*"),
        names_rule="letters (a-z), digits and _",
        checks_fields=True,
        reserved_prefixes=(
            *("_TABLE_", "_FILE_", "_PARTITION", "_ROW_TIMESTAMP", "__ROOT__", "_COLIDENTIFIER"),
            *("_CHANGE_SEQUENCE_NUMBER", "_CHANGE_TYPE", "_CHANGE_TIMESTAMP"),
        ),
        max_length=300,
        max_columns=10_000,
    )
    variables = (
        LAKE,
        Variable("project", "<project>", "Project of the datasets"),
        Variable("location", "<location>", "Location of the datasets: that of the lake's bucket"),
        Variable("connection", "<connection>", "Cloud resource connection of that location, which reads the lake"),
        prefix("event_platform_"),
        Variable("analysts", "<analysts>", "Who reads all views but those of whole records: group:<mail address>"),
        Variable("engineers", "<engineers>", "Who reads all views: group:<mail address>"),
    )
    schemes = ("gs", "s3")

    def view_path(self, relation: Relation) -> tuple[str, ...]:
        """See Warehouse."""
        return self.values["project"], *super().view_path(relation)

    def source(self, relation: Relation) -> tuple[str, ...]:
        """See Warehouse."""
        return self.values["project"], self.schema(TABLES_SCHEMA), relation.flat_name

    def setup(self, relations: Iterable[Relation]) -> Iterator[str]:
        """See Warehouse."""
        for name in (TABLES_SCHEMA, *schemas_in(relations)):
            dataset = self.identifier(self.values["project"], self.schema(name))
            yield f"CREATE SCHEMA IF NOT EXISTS {dataset} OPTIONS (location = {self.literal(self.values['location'])})"

    def view(self, relation: Relation) -> Iterator[str]:
        """See Warehouse."""
        source, view = self.identifier(*self.source(relation)), self.identifier(*self.view_path(relation))
        connection = self.identifier(*(self.values[name] for name in ("project", "location", "connection")))
        options = f" OPTIONS (description = {self.dialect.comment(relation.description)})"
        yield (
            f"CREATE OR REPLACE EXTERNAL TABLE {source}\nWITH CONNECTION {connection}\n"
            f"OPTIONS (format = 'DELTA_LAKE', uris = [{self.literal(self.location(relation))}])"
        )
        columns = self.column_list(relation, "OPTIONS (description = {})")
        yield (
            f"CREATE OR REPLACE VIEW {view} {columns}{options if relation.description.split() else ''} AS\n"
            f"{self.select(relation, source)}"
        )
        readers = ", ".join(map(self.literal, self.readers(relation)))
        yield f"GRANT {self.identifier(_READER)} ON VIEW {view} TO {readers}"

"""Snowflake: Iceberg tables over the Delta logs in object storage (Delta Direct), and views over them."""

from collections.abc import Iterable, Iterator

from event_platform.exporting.dialect import Dialect
from event_platform.exporting.relations import Relation
from event_platform.exporting.warehouses.base import (
    ANALYSTS,
    ENGINEERS,
    TABLES_SCHEMA,
    Variable,
    Warehouse,
    prefix,
    schemas_in,
)


class Snowflake(Warehouse):
    """Names are in upper case, so that queries need no quotes."""

    dialect = Dialect("snowflake", backslash=True, fold=str.upper)
    variables = (
        Variable("database", "EVENT_PLATFORM", "Database of the schemas; has to exist"),
        Variable("external_volume", "<external_volume>", "External volume whose base URL is the lake"),
        Variable("catalog_integration", "EVENT_PLATFORM_DELTA", "Catalog integration for Delta files; is created"),
        prefix(),
        ANALYSTS,
        ENGINEERS,
    )
    schemes = ("s3", "gs", "az")

    def view_path(self, relation: Relation) -> tuple[str, ...]:
        """See Warehouse."""
        return self._database, *super().view_path(relation)

    def source(self, relation: Relation) -> tuple[str, ...]:
        """See Warehouse."""
        return self._database, self.schema(TABLES_SCHEMA), self.fold(relation.flat_name)

    @property
    def _database(self) -> str:
        return self.fold(self.values["database"])

    def setup(self, relations: Iterable[Relation]) -> Iterator[str]:
        """See Warehouse."""
        integration, database = self.fold(self.values["catalog_integration"]), self.identifier(self._database)
        yield (
            f"CREATE CATALOG INTEGRATION IF NOT EXISTS {self.identifier(integration)}\n"
            "  CATALOG_SOURCE = OBJECT_STORE TABLE_FORMAT = DELTA ENABLED = TRUE"
        )
        yield f"CREATE SCHEMA IF NOT EXISTS {self.identifier(self._database, self.schema(TABLES_SCHEMA))}"
        roles = [self.identifier(self.fold(self.values[name])) for name in ("analysts", "engineers")]
        yield from (f"GRANT USAGE ON DATABASE {database} TO ROLE {role}" for role in roles)
        for name in schemas_in(relations):
            schema = self.identifier(self._database, self.schema(name))
            yield f"CREATE SCHEMA IF NOT EXISTS {schema}"
            yield from (f"GRANT USAGE ON SCHEMA {schema} TO ROLE {role}" for role in roles)

    def view(self, relation: Relation) -> Iterator[str]:
        """See Warehouse. COPY GRANTS keeps the grants of others on the view."""
        source, view = self.identifier(*self.source(relation)), self.identifier(*self.view_path(relation))
        comment = f" COMMENT = {self.dialect.comment(relation.description)}" if relation.description.split() else ""
        yield (
            f"CREATE ICEBERG TABLE IF NOT EXISTS {source}\n"
            f"  EXTERNAL_VOLUME = {self.literal(self.values['external_volume'])}\n"
            f"  CATALOG = {self.literal(self.fold(self.values['catalog_integration']))}\n"
            f"  BASE_LOCATION = {self.literal(relation.table)}\n"
            "  AUTO_REFRESH = TRUE"
        )
        columns = self.column_list(relation, "COMMENT {}")
        yield f"CREATE OR REPLACE VIEW {view} {columns} COPY GRANTS{comment} AS\n{self.select(relation, source)}"
        for role in self.readers(relation):
            yield f"GRANT SELECT ON VIEW {view} TO ROLE {self.identifier(self.fold(role))}"

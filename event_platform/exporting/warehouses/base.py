"""The common parts of warehouses: their variables, the location of views, and the readers."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from event_platform.events.errors import SettingError
from event_platform.exporting.dialect import Dialect
from event_platform.exporting.relations import Relation

#: Schema of the tables below the views, on which no grants are given.
TABLES_SCHEMA = "tables"


@dataclass(frozen=True)
class Variable:
    """A value that differs between accounts. A default in < > must be replaced."""

    name: str
    default: str
    meaning: str


_MAY_BE_EMPTY = {"prefix", "table_prefix"}

LAKE = Variable("lake", "<lake>", "Address of the lake")
GLUE_DATABASE = Variable("glue_database", "<glue_database>", "Database of the Glue Data Catalog that has the tables")
ANALYSTS = Variable("analysts", "event_analysts", "Who reads all views but those of whole records; has to exist")
ENGINEERS = Variable("engineers", "event_engineers", "Who reads all views; has to exist")


def prefix(default: str = "") -> Variable:
    """Return the variable that the schemas of the views begin with."""
    return Variable("prefix", default, "What the names of the schemas begin with")


@dataclass(frozen=True)
class Warehouse(ABC):
    """A warehouse and the values of its variables."""

    values: Mapping[str, str]

    dialect: ClassVar[Dialect]
    variables: ClassVar[tuple[Variable, ...]]
    schemes: ClassVar[tuple[str, ...]]  # schemes of the lakes that it can read

    @abstractmethod
    def setup(self, relations: Iterable[Relation]) -> Iterator[str]:
        """Yield the statements before those of the views."""

    @abstractmethod
    def view(self, relation: Relation) -> Iterator[str]:
        """Yield the statements of a view: its source, its definition, its comments, and its grants."""

    def view_path(self, relation: Relation) -> tuple[str, ...]:
        """Return the schema and the name of a view; a database before them if the warehouse has several."""
        return self.schema(relation.schema), self.fold(relation.name)

    def source(self, relation: Relation) -> tuple[str, ...]:  # noqa: ARG002 - for warehouses that have tables
        """Return the table that a view reads; empty if it reads files."""
        return ()

    def schema(self, name: str) -> str:
        """Return the name of a schema."""
        return self.fold(f"{self.values['prefix']}{name}")

    def fold(self, name: str) -> str:
        """Return a name in the case in which the warehouse stores it."""
        return self.dialect.fold(name)

    def identifier(self, *parts: str) -> str:
        """Return a quoted name."""
        return self.dialect.identifier(*parts)

    def literal(self, text: str) -> str:
        """Return a quoted text."""
        return self.dialect.literal(text)

    def columns(self, relation: Relation) -> list[tuple[str, str]]:
        """Return the quoted names and comments of the columns of a view; no comment is an empty text."""
        return [
            (self.identifier(self.fold(name)), self.dialect.comment(comment) if comment.split() else "")
            for name, comment in relation.columns
        ]

    def select(self, relation: Relation, source: str) -> str:
        """Return the query of a view."""
        return "SELECT\n  " + ",\n  ".join(name for name, _ in self.columns(relation)) + f"\nFROM {source}"

    def column_list(self, relation: Relation, template: str) -> str:
        """Return the columns of a view with their comments in a form such as `COMMENT {}`."""
        lines = [name + (f" {template.format(comment)}" if comment else "") for name, comment in self.columns(relation)]
        return "(\n  " + ",\n  ".join(lines) + "\n)"

    def readers(self, relation: Relation) -> list[str]:
        """Return the roles that may read a view."""
        roles = [self.values["engineers"]]
        return roles if relation.holds_records else [self.values["analysts"], *roles]

    def refusal(self, relation: Relation) -> str | None:
        """Return why a table cannot have a view there; None if it can."""
        view, source = self.view_path(relation), self.source(relation)
        if view[:-1] == source[:-1]:
            return f"the schema {relation.schema} has the tables below the views; give the asset another key"
        names = [*view[-2:], *source[-1:]]
        columns = [name for name, _ in relation.columns]
        faults = (*map(self.dialect.table_fault, names), self.dialect.column_fault(columns, relation.fields))
        return next(filter(None, faults), None)

    def location(self, relation: Relation) -> str:
        """Return the address of a table."""
        return f"{self.values['lake'].rstrip('/')}/{relation.table}"


def schemas_in(relations: Iterable[Relation]) -> list[str]:
    """Return the schemas of relations, in their order."""
    return list(dict.fromkeys(relation.schema for relation in relations))


def values_of(
    warehouse: type[Warehouse], environment: Mapping[str, str | None], options: Mapping[str, str]
) -> dict[str, str]:
    """Return the value of each variable: from `options`, else from `environment`, else the default.

    Raises SettingError for a variable that the warehouse does not have, and for an empty value.
    """
    names = [variable.name for variable in warehouse.variables]
    for name, value in options.items():
        if name not in names:
            raise SettingError(f"--set {name}: {warehouse.dialect.name} has no such value; it has {', '.join(names)}")
        if not value and name not in _MAY_BE_EMPTY:
            raise SettingError(f"--set {name}: expected a value")
    defaults = {name: value for name, value in environment.items() if value is not None}
    return {each.name: options.get(each.name, defaults.get(each.name, each.default)) for each in warehouse.variables}

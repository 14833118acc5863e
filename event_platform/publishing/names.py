"""Names and descriptions of tables, as catalogs take them."""

from event_platform.lake.tables import Table

#: Limits of Glue in bytes, for column comments and table descriptions.
COMMENT_BYTES, DESCRIPTION_BYTES = 255, 2_048

#: Prefix of Iceberg tables in a Glue database that also has the Delta tables.
ICEBERG_PREFIX = "iceberg_"


def glue_name(table: Table) -> str:
    """Return the lower-case name of a table in a catalog: `events/lesson_started` → `events_lesson_started`.

    Names of platform tables are unique: keys of event types differ by more than case, and no other name of the platform
    begins with `events_`.
    """
    return table.name.replace("/", "_").lower()


def cut_line(text: str, size: int) -> str:
    """Return a text as one line of at most `size` bytes, without invisible characters, which Glue rejects."""
    line = "".join(each for each in " ".join(text.split()) if each.isprintable())
    return line.encode()[:size].decode(errors="ignore")

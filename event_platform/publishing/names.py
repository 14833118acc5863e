"""Names of tables in catalogs that know no folders."""

from event_platform.lake.tables import Table


def glue_name(table: Table) -> str:
    """Return the lower-case name of a table in a catalog: `events/lesson_started` → `events_lesson_started`.

    Names of platform tables are unique: keys of event types differ by more than case, and no other name of the platform
    begins with `events_`.
    """
    return table.name.replace("/", "_").lower()

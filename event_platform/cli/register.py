"""`event-platform register`: register the tables of the lake in the Glue Data Catalog."""

from collections import Counter

from event_platform.cli.output import ERR, OUT
from event_platform.environment import Environment
from event_platform.events.catalog import load_catalog
from event_platform.events.errors import SettingError
from event_platform.pipeline.opening import open_lake
from event_platform.publishing.glue import Outcome, open_glue


def register_tables(environment: Environment) -> int:
    """Register every table that exists, with the schema in its log, and print the outcomes; return the exit code."""
    if environment.glue_database is None:
        raise SettingError(
            "EVENT_PLATFORM_GLUE_DATABASE: not set; expected a database of the Glue Data Catalog to register tables in"
        )
    tables = open_lake(environment.lake).every_table(load_catalog(environment.catalog).event_types)
    found = open_glue(environment.glue_database).register(tables, from_the_logs=True)
    for each in found:
        if each.outcome is Outcome.FAILED:
            ERR.print(f"{each.table}: {each.reason}", style="red", soft_wrap=True, highlight=False, markup=False)
        elif each.outcome is not Outcome.UNCHANGED:
            OUT.print(f"{each.outcome}: {each.table}", soft_wrap=True, highlight=False, markup=False)
    counts = Counter(each.outcome for each in found)
    outcomes = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome)
    OUT.print(f"{environment.glue_database}: {outcomes}", soft_wrap=True, highlight=False, markup=False)
    return 1 if counts[Outcome.FAILED] else 0

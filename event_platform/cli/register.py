"""`event-platform register`: register the tables of the lake in the Glue Data Catalog."""

from event_platform.cli.outcomes import print_outcomes
from event_platform.environment import Environment
from event_platform.events.catalog import load_catalog
from event_platform.events.errors import SettingError
from event_platform.pipeline.opening import open_lake
from event_platform.publishing.glue import Outcome, open_glue


def register_tables(environment: Environment) -> int:
    """Register every existing table with the schema in its log, and print the outcomes; return the exit code."""
    if environment.glue_database is None:
        raise SettingError(
            "EVENT_PLATFORM_GLUE_DATABASE: not set; expected a database of the Glue Data Catalog to register tables in"
        )
    tables = open_lake(environment.lake).every_table(load_catalog(environment.catalog).event_types)
    outcomes = open_glue(environment.glue_database).register(tables, from_the_logs=True)
    print_outcomes(environment.glue_database, outcomes, Outcome)
    return 1 if any(registration.outcome is Outcome.FAILED for registration in outcomes) else 0

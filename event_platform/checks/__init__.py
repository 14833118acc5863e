"""The rules of the asset checks: pure functions from figures to a `Result`. `defs.checks` declares them to Dagster."""

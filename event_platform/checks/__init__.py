"""What the asset checks find: pure functions from figures to a `Result`. `defs.checks` declares them to Dagster."""

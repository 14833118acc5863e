"""The way in: a producer for Kinesis, and a consumer that writes to landing as Firehose does. No Dagster."""

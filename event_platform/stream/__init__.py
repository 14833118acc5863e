"""The way in: events are sent to a Kinesis stream, and what a stream holds is landed as Firehose does. No Dagster."""

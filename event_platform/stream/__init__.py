"""A producer for Kinesis, and a consumer that writes a stream to landing as Firehose does. No Dagster."""

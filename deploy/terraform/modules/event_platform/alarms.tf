# Each goes to the topic, when it rings and when it is over. What the tables say is for Dagster's own checks and alerts.
locals {
  stream   = { StreamName = aws_kinesis_stream.events.name }
  delivery = { DeliveryStreamName = aws_kinesis_firehose_delivery_stream.landing.name }
  database = { DBInstanceIdentifier = aws_db_instance.this.identifier }

  alarms = merge(
    {
      delivery-is-late = {
        why        = "The oldest record that Firehose has not delivered is too old: landing is behind."
        namespace  = "AWS/Firehose", metric = "DeliveryToS3.DataFreshness", dimensions = local.delivery
        statistic  = "Maximum", comparison = "GreaterThanThreshold", missing = "notBreaching"
        threshold  = 3 * var.delivery_buffer_seconds + 300 # seconds
        of_minutes = 5, times = 2
      }
      delivery-fails = {
        why        = "Puts of Firehose into landing fail: see its log, the bucket's policy, the key."
        namespace  = "AWS/Firehose", metric = "DeliveryToS3.Success", dimensions = local.delivery
        statistic  = "Average", comparison = "LessThanThreshold", missing = "notBreaching"
        threshold  = 1 # of 1
        of_minutes = 5, times = 2
      }
      stream-refuses-writes = {
        why        = "Producers are throttled: a stream on demand doubles within 15 minutes; a hot key does not spread."
        namespace  = "AWS/Kinesis", metric = "WriteProvisionedThroughputExceeded", dimensions = local.stream
        statistic  = "Sum", comparison = "GreaterThanThreshold", missing = "notBreaching"
        threshold  = 0
        of_minutes = 5, times = 3
      }
      stream-refuses-reads = {
        why        = "Readers of the stream are throttled: there are more of them than its shards let read."
        namespace  = "AWS/Kinesis", metric = "ReadProvisionedThroughputExceeded", dimensions = local.stream
        statistic  = "Sum", comparison = "GreaterThanThreshold", missing = "notBreaching"
        threshold  = 0
        of_minutes = 5, times = 3
      }
      stream-is-read-late = {
        why        = "Records wait in the stream, and are gone for good after its retention."
        namespace  = "AWS/Kinesis", metric = "GetRecords.IteratorAgeMilliseconds", dimensions = local.stream
        statistic  = "Maximum", comparison = "GreaterThanThreshold", missing = "notBreaching"
        threshold  = 900000
        of_minutes = 5, times = 2
      }
      landing-messages-fail = {
        why        = "Landed objects were not loaded for hours, or messages cannot be read: see the landing sensor, and runs that fail."
        namespace  = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible"
        dimensions = { QueueName = aws_sqs_queue.landing_dead_letters.name }
        statistic  = "Maximum", comparison = "GreaterThanThreshold", missing = "notBreaching"
        threshold  = 0
        of_minutes = 5, times = 1
      }
      database-is-full = {
        why        = "Less than 2 GiB are free: raise database_max_storage_gib, or purge old runs."
        namespace  = "AWS/RDS", metric = "FreeStorageSpace", dimensions = local.database
        statistic  = "Minimum", comparison = "LessThanThreshold", missing = "breaching"
        threshold  = 2 * 1024 * 1024 * 1024 # bytes
        of_minutes = 5, times = 3
      }
    },
    { for seconds in [var.landing_queue_alarm_seconds] : "landing-messages-wait" => {
      why        = "The landing sensor does not read its queue: see whether it is on, its log, and runs that take long."
      namespace  = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage"
      dimensions = { QueueName = aws_sqs_queue.landing.name }
      statistic  = "Maximum", comparison = "GreaterThanThreshold", missing = "notBreaching"
      threshold  = seconds
      of_minutes = 5, times = 2
    } if seconds != null },
    merge([for function in aws_lambda_function.filter : {
      filter-fails = {
        why        = "The filter of the stream fails: what Firehose gave up is in errors/processing-failed of the landing bucket."
        namespace  = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = function.function_name }
        statistic  = "Sum", comparison = "GreaterThanThreshold", missing = "notBreaching"
        threshold  = 0
        of_minutes = 5, times = 1
      }
      filter-is-throttled = {
        why        = "The filter of the stream is refused: raise the account's concurrency, or Firehose gives up."
        namespace  = "AWS/Lambda", metric = "Throttles", dimensions = { FunctionName = function.function_name }
        statistic  = "Sum", comparison = "GreaterThanThreshold", missing = "notBreaching"
        threshold  = 0
        of_minutes = 5, times = 2
      }
      filter-does-not-decide = {
        why        = "Events pass the filter because its table or its queue does not answer: the lake deduplicates them."
        namespace  = "EventPlatform", metric = "Undecided", dimensions = { FunctionName = function.function_name }
        statistic  = "Sum", comparison = "GreaterThanThreshold", missing = "notBreaching"
        threshold  = 0
        of_minutes = 5, times = 3
      }
    }]...),
    { for queue in aws_sqs_queue.redeliveries : "redeliveries-wait" => {
      why        = "No run takes what the filter of the stream dropped: its queue deletes a message after two weeks."
      namespace  = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", dimensions = { QueueName = queue.name }
      statistic  = "Maximum", comparison = "GreaterThanThreshold", missing = "notBreaching"
      threshold  = 3 * 24 * 3600 # seconds
      of_minutes = 5, times = 2
    } },
    # A service tells its CPU every minute as long as any of its tasks runs: that it tells nothing is the alarm.
    { for service, _ in local.services : "${service}-is-down" => {
      why        = "No task of the service runs: see its events and its log."
      namespace  = "AWS/ECS", metric = "CPUUtilization"
      dimensions = { ClusterName = aws_ecs_cluster.this.name, ServiceName = aws_ecs_service.this[service].name }
      statistic  = "SampleCount", comparison = "LessThanThreshold", missing = "breaching"
      threshold  = 1
      of_minutes = 5, times = 2
    } if local.has_image },
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = each.value.why
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = 60 * each.value.of_minutes
  evaluation_periods  = each.value.times
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_kinesis_stream" "events" {
  name             = local.name
  retention_period = var.stream_retention_hours
  encryption_type  = "KMS"
  kms_key_id       = aws_kms_key.this.arn

  stream_mode_details {
    stream_mode = "ON_DEMAND"
  }
}

resource "aws_cloudwatch_log_group" "firehose" {
  name              = "/aws/kinesisfirehose/${local.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn
}

resource "aws_cloudwatch_log_stream" "firehose" {
  name           = "landing"
  log_group_name = aws_cloudwatch_log_group.firehose.name
}

resource "aws_kinesis_firehose_delivery_stream" "landing" {
  name        = local.name
  destination = "extended_s3"

  kinesis_source_configuration {
    kinesis_stream_arn = aws_kinesis_stream.events.arn
    role_arn           = aws_iam_role.firehose.arn
  }

  extended_s3_configuration {
    role_arn            = aws_iam_role.firehose.arn
    bucket_arn          = aws_s3_bucket.landing.arn
    prefix              = "${local.landing_prefix}/!{timestamp:yyyy/MM/dd/HH}/"
    error_output_prefix = "errors/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/"
    compression_format  = "GZIP"
    kms_key_arn         = aws_kms_key.this.arn
    buffering_interval  = var.delivery_buffer_seconds
    buffering_size      = var.delivery_buffer_mib

    processing_configuration {
      enabled = true

      # Its retries are those of an invocation that AWS fails at; what fails after them is in errors/processing-failed.
      dynamic "processors" {
        for_each = aws_lambda_function.filter # asked by the role above

        content {
          type = "Lambda"

          dynamic "parameters" {
            for_each = {
              LambdaArn               = "${processors.value.arn}:$LATEST"
              BufferSizeInMBs         = "0.5"
              BufferIntervalInSeconds = "30"
              NumberOfRetries         = "10"
            }

            content {
              parameter_name  = parameters.key
              parameter_value = parameters.value
            }
          }
        }
      }

      # Kinesis puts nothing between records.
      processors {
        type = "AppendDelimiterToRecord"

        parameters {
          parameter_name  = "Delimiter"
          parameter_value = "\\n"
        }
      }
    }

    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.firehose.name
      log_stream_name = aws_cloudwatch_log_stream.firehose.name
    }
  }

  # It tries its permissions when it is made.
  depends_on = [aws_iam_role_policy.firehose]
}

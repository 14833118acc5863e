# deduplicate_before_landing: a Lambda that Firehose asks before it delivers, the table of the events that have passed, and
# the queue of those that it dropped. It is in no network of ours. `make lambda` packages it.
locals {
  filters = var.deduplicate_before_landing ? { filter = "${local.name}-filter" } : {}
  package = "${path.root}/stream_filter.zip"
}

# What is in it is kept for seven days. Without it, everything passes.
resource "aws_dynamodb_table" "seen_events" {
  for_each = local.filters

  name         = "${local.name}-seen-events"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "event_uuid"

  attribute {
    name = "event_uuid"
    type = "S"
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.this.arn
  }
}

resource "aws_sqs_queue" "redeliveries" {
  for_each = local.filters

  name                              = "${local.name}-redeliveries"
  message_retention_seconds         = 1209600 # two weeks, the most there is
  kms_master_key_id                 = aws_kms_key.this.arn
  kms_data_key_reuse_period_seconds = 300
}

resource "aws_cloudwatch_log_group" "filter" {
  for_each = local.filters

  name              = "/aws/lambda/${each.value}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn
}

resource "aws_lambda_function" "filter" {
  for_each = local.filters

  function_name    = each.value
  description      = "Drops redelivered events before they land. It never fails: what it cannot decide on is delivered."
  role             = aws_iam_role.filter[each.key].arn
  handler          = "event_platform.stream.filter.handler.handler"
  filename         = local.package
  source_code_hash = filebase64sha256(local.package)
  runtime          = "python3.13" # and the processor: those that `make lambda` packages for
  architectures    = ["arm64"]
  memory_size      = 1769 # MB: of one vCPU
  timeout          = 60
  kms_key_arn      = aws_kms_key.this.arn

  environment {
    variables = {
      EVENT_PLATFORM_SEEN_TABLE        = aws_dynamodb_table.seen_events[each.key].name
      EVENT_PLATFORM_DEAD_LETTER_QUEUE = aws_sqs_queue.redeliveries[each.key].url
    }
  }

  # It writes its own log group otherwise, which would never end.
  depends_on = [aws_iam_role_policy.filter, aws_cloudwatch_log_group.filter]
}

resource "aws_iam_role" "filter" {
  for_each = local.filters

  name = each.value

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "filter" {
  for_each = local.filters

  name = "filter"
  role = aws_iam_role.filter[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Remember"
        Effect   = "Allow"
        Action   = "dynamodb:PutItem"
        Resource = aws_dynamodb_table.seen_events[each.key].arn
      },
      {
        Sid      = "KeepWhatIsDropped"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = aws_sqs_queue.redeliveries[each.key].arn
      },
      {
        Sid      = "Key"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = aws_kms_key.this.arn
      },
      {
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.filter[each.key].arn}:log-stream:*"
      },
    ]
  })
}

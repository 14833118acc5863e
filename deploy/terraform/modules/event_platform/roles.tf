# Who may do what. "*" is a resource only where AWS knows no other for the action.
#
#   firehose    reads the stream, asks the filter if there is one, writes landing
#   filter      if there is one: notes events in its table, sends to its queue (stream_filter.tf)
#   execution   starts a task: its image, its secrets, its log
#   task        code location and runs: read landing and its queue, take what is in the queue of the filter, if there is
#               one; read, write and delete in the lake
#   launcher    webserver and daemon: start and stop runs, read and write Dagster's logs

locals {
  trust_of_tasks = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${local.region}:${local.account}:*" }
      }
    }]
  })

  allow_logs_in_lake = [
    {
      Sid      = "LogsOfDagster"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
      Resource = "${aws_s3_bucket.lake.arn}/${local.logs_prefix}/*"
    },
    {
      # Without a condition on prefixes: with one, S3 answers 403, not 404, where an object does not exist.
      Sid      = "ListLake"
      Effect   = "Allow"
      Action   = "s3:ListBucket"
      Resource = aws_s3_bucket.lake.arn
    },
    {
      Sid      = "Key"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = aws_kms_key.this.arn
    },
  ]

  glue_arn = "arn:${local.partition}:glue:${local.region}:${local.account}"
  allow_glue = {
    Sid    = "TablesOfThisEnvironment"
    Effect = "Allow"
    Action = ["glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:CreateTable", "glue:UpdateTable"]
    Resource = [
      "${local.glue_arn}:catalog",
      "${local.glue_arn}:database/${local.glue_database}",
      "${local.glue_arn}:table/${local.glue_database}/*",
    ]
  }

  # An Iceberg table whose Delta table was replaced is deleted, and created again.
  allow_iceberg = {
    Sid    = "IcebergTablesOfThisEnvironment"
    Effect = "Allow"
    Action = ["glue:DeleteTable"]
    Resource = [
      "${local.glue_arn}:catalog",
      "${local.glue_arn}:database/${local.glue_database}",
      "${local.glue_arn}:table/${local.glue_database}/iceberg_*",
    ]
  }

  allow_tunnel = {
    Sid    = "TunnelOfSessionManager"
    Effect = "Allow"
    Action = [
      "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
    ]
    Resource = "*" # knows no other
  }
}

# --- firehose

resource "aws_iam_role" "firehose" {
  name = "${local.name}-firehose"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "firehose.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "sts:ExternalId" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "firehose" {
  name = "deliver"
  role = aws_iam_role.firehose.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "ReadStream"
        Effect   = "Allow"
        Action   = ["kinesis:DescribeStream", "kinesis:GetShardIterator", "kinesis:GetRecords", "kinesis:ListShards"]
        Resource = aws_kinesis_stream.events.arn
      },
      {
        Sid    = "WriteLanding"
        Effect = "Allow"
        Action = ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"]
        Resource = [
          "${aws_s3_bucket.landing.arn}/${local.landing_prefix}/*",
          "${aws_s3_bucket.landing.arn}/errors/*",
        ]
      },
      {
        Sid      = "FindLanding"
        Effect   = "Allow"
        Action   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
        Resource = aws_s3_bucket.landing.arn
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
        Action   = "logs:PutLogEvents"
        Resource = "${aws_cloudwatch_log_group.firehose.arn}:log-stream:${aws_cloudwatch_log_stream.firehose.name}"
      },
      ],
      [for function in aws_lambda_function.filter : {
        Sid      = "AskFilter"
        Effect   = "Allow"
        Action   = ["lambda:InvokeFunction", "lambda:GetFunctionConfiguration"]
        Resource = [function.arn, "${function.arn}:$LATEST"]
      }],
    )
  })
}

# --- execution

resource "aws_iam_role" "execution" {
  name               = "${local.name}-execution"
  assume_role_policy = local.trust_of_tasks
}

resource "aws_iam_role_policy" "execution" {
  name = "start-tasks"
  role = aws_iam_role.execution.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "LogInToRegistry"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*" # knows no other
      },
      {
        Sid      = "PullImage"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = aws_ecr_repository.this.arn
      },
      {
        Sid      = "ReadSecrets"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = [var.database_password_secret_id, aws_secretsmanager_secret.alert_urls.arn]
      },
      {
        Sid      = "Key"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = aws_kms_key.this.arn
      },
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = [for group in aws_cloudwatch_log_group.tasks : "${group.arn}:log-stream:*"]
      },
    ]
  })
}

# --- task

resource "aws_iam_role" "task" {
  name               = "${local.name}-task"
  assume_role_policy = local.trust_of_tasks
}

resource "aws_iam_role_policy" "task" {
  name = "events"
  role = aws_iam_role.task.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "ReadLanding"
          Effect   = "Allow"
          Action   = "s3:GetObject"
          Resource = "${aws_s3_bucket.landing.arn}/${local.landing_prefix}/*"
        },
        {
          Sid      = "ListLanding"
          Effect   = "Allow"
          Action   = "s3:ListBucket"
          Resource = aws_s3_bucket.landing.arn
        },
        {
          Sid      = "HearOfLanding"
          Effect   = "Allow"
          Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
          Resource = aws_sqs_queue.landing.arn
        },
        {
          Sid      = "WriteLake"
          Effect   = "Allow"
          Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
          Resource = "${aws_s3_bucket.lake.arn}/${local.lake_prefix}/*"
        },
      ],
      [for queue in aws_sqs_queue.redeliveries : {
        Sid      = "TakeRedeliveries"
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        Resource = queue.arn
      }],
      local.allow_logs_in_lake,
      [for allow in [local.allow_glue] : allow if var.glue_database],
      [for allow in [local.allow_iceberg] : allow if var.iceberg],
    )
  })
}

# --- launcher

resource "aws_iam_role" "launcher" {
  name               = "${local.name}-launcher"
  assume_role_policy = local.trust_of_tasks
}

locals {
  arn_of_tasks = "arn:${local.partition}:ecs:${local.region}:${local.account}:task/${local.name}/*"
}

resource "aws_iam_role_policy" "launcher" {
  name = "launch-runs"
  role = aws_iam_role.launcher.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid       = "StartRuns"
          Effect    = "Allow"
          Action    = "ecs:RunTask"
          Resource  = "${aws_ecs_task_definition.run.arn_without_revision}:*"
          Condition = { ArnEquals = { "ecs:cluster" = aws_ecs_cluster.this.arn } }
        },
        {
          Sid       = "TagRunsAsTheyStart"
          Effect    = "Allow"
          Action    = "ecs:TagResource"
          Resource  = local.arn_of_tasks
          Condition = { StringEquals = { "ecs:CreateAction" = "RunTask" } }
        },
        {
          Sid      = "HandOverTheRolesOfRuns"
          Effect   = "Allow"
          Action   = "iam:PassRole"
          Resource = [aws_iam_role.task.arn, aws_iam_role.execution.arn]
          Condition = {
            StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" }
          }
        },
        {
          Sid       = "WatchAndStopRuns"
          Effect    = "Allow"
          Action    = ["ecs:DescribeTasks", "ecs:StopTask"]
          Resource  = local.arn_of_tasks
          Condition = { ArnEquals = { "ecs:cluster" = aws_ecs_cluster.this.arn } }
        },
        {
          Sid      = "WhatRunsAre"
          Effect   = "Allow"
          Action   = ["ecs:DescribeTaskDefinition", "ec2:DescribeNetworkInterfaces"]
          Resource = "*" # know no other
        },
        {
          Sid      = "WhyRunsFailed"
          Effect   = "Allow"
          Action   = "logs:GetLogEvents"
          Resource = "${aws_cloudwatch_log_group.tasks["run"].arn}:log-stream:*"
        },
      ],
      local.allow_logs_in_lake,
      [for allow in [local.allow_tunnel] : allow if var.ui_tunnel],
    )
  })
}

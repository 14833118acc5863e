# What matters about an environment, read from what the module would make. No account, no network: `terraform test`.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
  }
}

# Names to find again in policies; the mocks' own would be random.
override_resource {
  target = aws_s3_bucket.landing
  values = { id = "landing-bucket", arn = "arn:aws:s3:::landing-bucket" }
}
override_resource {
  target = aws_s3_bucket.lake
  values = { id = "lake-bucket", arn = "arn:aws:s3:::lake-bucket" }
}
override_resource {
  target = aws_kms_key.this
  values = { arn = "arn:aws:kms:eu-central-1:111122223333:key/the-key" }
}
override_resource {
  target = aws_kinesis_stream.events
  values = { arn = "arn:aws:kinesis:eu-central-1:111122223333:stream/the-stream" }
}
override_resource {
  target = aws_sqs_queue.landing
  values = { arn = "arn:aws:sqs:eu-central-1:111122223333:the-queue", url = "https://sqs.eu-central-1.amazonaws.com/111122223333/the-queue" }
}
override_resource {
  target = aws_sqs_queue.landing_dead_letters
  values = { arn = "arn:aws:sqs:eu-central-1:111122223333:the-dead-letters" }
}
override_resource {
  target = aws_sns_topic.alarms
  values = { arn = "arn:aws:sns:eu-central-1:111122223333:the-topic" }
}
override_resource {
  target = aws_ecr_repository.this
  values = { arn = "arn:aws:ecr:eu-central-1:111122223333:repository/the-repository", repository_url = "registry/the-repository" }
}
override_resource {
  target = aws_iam_role.task
  values = { arn = "arn:aws:iam::111122223333:role/task" }
}
override_resource {
  target = aws_iam_role.execution
  values = { arn = "arn:aws:iam::111122223333:role/execution" }
}
override_resource {
  target = aws_iam_role.launcher
  values = { arn = "arn:aws:iam::111122223333:role/launcher" }
}
override_resource {
  target = aws_iam_role.firehose
  values = { arn = "arn:aws:iam::111122223333:role/firehose" }
}
override_resource {
  target = aws_ecs_cluster.this
  values = { id = "arn:aws:ecs:eu-central-1:111122223333:cluster/the-cluster", arn = "arn:aws:ecs:eu-central-1:111122223333:cluster/the-cluster" }
}
override_resource {
  target = aws_ecs_task_definition.run
  values = {
    arn                  = "arn:aws:ecs:eu-central-1:111122223333:task-definition/the-run:7"
    arn_without_revision = "arn:aws:ecs:eu-central-1:111122223333:task-definition/the-run"
  }
}
override_resource {
  target = aws_lb.webserver
  values = { arn = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/app/the-balancer/1", dns_name = "the-balancer.example" }
}
override_resource {
  target = aws_lb_target_group.webserver
  values = { arn = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/the-group/1" }
}
override_resource {
  target = aws_secretsmanager_secret.alert_urls
  values = { id = "the-alert-urls", arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:the-alert-urls" }
}
override_resource {
  target = aws_cloudwatch_log_group.firehose
  values = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:firehose" }
}
override_resource {
  target = aws_service_discovery_service.code_location
  values = { arn = "arn:aws:servicediscovery:eu-central-1:111122223333:service/srv-1" }
}
override_resource {
  target = aws_vpc_endpoint.s3
  values = { prefix_list_id = "pl-of-s3" }
}

override_resource {
  target = aws_lambda_function.filter
  values = { arn = "arn:aws:lambda:eu-central-1:111122223333:function:the-filter" }
}
override_resource {
  target = aws_dynamodb_table.seen_events
  values = { arn = "arn:aws:dynamodb:eu-central-1:111122223333:table/the-table" }
}
override_resource {
  target = aws_sqs_queue.redeliveries
  values = { arn = "arn:aws:sqs:eu-central-1:111122223333:the-redeliveries", url = "https://sqs.eu-central-1.amazonaws.com/111122223333/the-redeliveries" }
}
override_resource {
  target = aws_cloudwatch_log_group.filter
  values = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:filter" }
}
override_resource {
  target = aws_iam_role.filter
  values = { arn = "arn:aws:iam::111122223333:role/filter" }
}

variables {
  name                        = "event-platform"
  environment                 = "staging"
  image_tag                   = "v1"
  start_date                  = "2025-01-01"
  vpc_cidr                    = "10.20.0.0/16"
  egress                      = "nat"
  high_availability           = false
  ui_allowed_cidrs            = ["10.0.0.0/8"]
  ui_tunnel                   = false
  stream_retention_hours      = 24
  delivery_buffer_seconds     = 300
  delivery_buffer_mib         = 128
  database_class              = "db.t4g.micro"
  database_storage_gib        = 20
  database_max_storage_gib    = 50
  database_backup_days        = 7
  database_password           = "made-up"
  database_password_version   = 1
  database_password_secret_id = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:the-database-password"
  deletion_protection         = true
  log_retention_days          = 30
  alarm_emails                = []
  glue_database               = true
  iceberg                     = false
  sizes = {
    webserver     = { cpu = 512, memory = 1024 }
    daemon        = { cpu = 512, memory = 1024 }
    code_location = { cpu = 512, memory = 2048 }
    run           = { cpu = 1024, memory = 4096 }
  }
}

run "an_environment" {
  # --- names

  assert {
    condition = alltrue([for name in concat(
      [
        aws_s3_bucket.landing.bucket, aws_s3_bucket.lake.bucket, aws_kinesis_stream.events.name,
        aws_kinesis_firehose_delivery_stream.landing.name, aws_sqs_queue.landing.name,
        aws_sqs_queue.landing_dead_letters.name, aws_sns_topic.alarms.name, aws_ecr_repository.this.name,
        aws_ecs_cluster.this.name, aws_ecs_task_definition.run.family, aws_db_instance.this.identifier, aws_lb.webserver.name,
        aws_iam_role.task.name, aws_iam_role.launcher.name, aws_iam_role.execution.name, aws_iam_role.firehose.name,
        aws_secretsmanager_secret.alert_urls.name, aws_kms_alias.this.name, aws_cloudwatch_log_group.firehose.name,
        aws_cloudwatch_log_group.database.name, aws_service_discovery_private_dns_namespace.this.name,
      ],
      [for group in aws_cloudwatch_log_group.tasks : group.name],
      [for task in aws_ecs_task_definition.service : task.family],
      [for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name],
    ) : strcontains(name, "event-platform-staging")])
    error_message = "Every name of the account or region contains the environment, so that three fit into one account."
  }

  assert {
    condition     = aws_glue_catalog_database.events[0].name == "event_platform_staging"
    error_message = "The Glue database has the environment in its name, and no hyphen."
  }

  # --- stream and delivery

  assert {
    condition     = aws_kinesis_stream.events.stream_mode_details[0].stream_mode == "ON_DEMAND" && aws_kinesis_stream.events.encryption_type == "KMS"
    error_message = "The stream is on demand and encrypted."
  }

  assert {
    condition     = aws_kinesis_firehose_delivery_stream.landing.kinesis_source_configuration[0].kinesis_stream_arn == aws_kinesis_stream.events.arn
    error_message = "Firehose reads the stream."
  }

  assert {
    condition     = aws_kinesis_firehose_delivery_stream.landing.extended_s3_configuration[0].prefix == "landing/!{timestamp:yyyy/MM/dd/HH}/"
    error_message = "Landing has a folder for each hour of arrival: the platform reads days from it."
  }

  assert {
    condition     = aws_kinesis_firehose_delivery_stream.landing.extended_s3_configuration[0].error_output_prefix == "errors/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/"
    error_message = "What Firehose cannot deliver goes beside landing, not into it."
  }

  assert {
    condition     = aws_kinesis_firehose_delivery_stream.landing.extended_s3_configuration[0].compression_format == "GZIP" && aws_kinesis_firehose_delivery_stream.landing.extended_s3_configuration[0].bucket_arn == "arn:aws:s3:::landing-bucket"
    error_message = "Objects are GZIP, in the landing bucket."
  }

  assert {
    condition = [for processor in aws_kinesis_firehose_delivery_stream.landing.extended_s3_configuration[0].processing_configuration[0].processors :
    [processor.type, [for parameter in processor.parameters : "${parameter.parameter_name}=${parameter.parameter_value}"]]] == [["AppendDelimiterToRecord", ["Delimiter=\\n"]]]
    error_message = "A newline follows each record."
  }

  # --- buckets

  assert {
    condition = alltrue([for bucket in ["landing", "lake"] : alltrue([
      aws_s3_bucket_public_access_block.this[bucket].block_public_acls,
      aws_s3_bucket_public_access_block.this[bucket].block_public_policy,
      aws_s3_bucket_public_access_block.this[bucket].ignore_public_acls,
      aws_s3_bucket_public_access_block.this[bucket].restrict_public_buckets,
      aws_s3_bucket_ownership_controls.this[bucket].rule[0].object_ownership == "BucketOwnerEnforced",
      aws_s3_bucket_versioning.this[bucket].versioning_configuration[0].status == "Enabled",
    ])])
    error_message = "No bucket is public, none has ACLs, each keeps versions."
  }

  assert {
    condition = alltrue([for encryption in aws_s3_bucket_server_side_encryption_configuration.this : alltrue([for rule in encryption.rule :
      rule.bucket_key_enabled
      && rule.apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms"
    && rule.apply_server_side_encryption_by_default[0].kms_master_key_id == "arn:aws:kms:eu-central-1:111122223333:key/the-key"])])
    error_message = "Each bucket is encrypted with the environment's key."
  }

  assert {
    condition = { for bucket, policy in aws_s3_bucket_policy.this : bucket => [for s in jsondecode(policy.policy).Statement :
      [s.Effect, s.Principal, s.Action, s.Resource, s.Condition.Bool["aws:SecureTransport"]]] } == {
      for bucket in ["landing", "lake"] : bucket => [["Deny", "*", "s3:*", ["arn:aws:s3:::${bucket}-bucket", "arn:aws:s3:::${bucket}-bucket/*"], "false"]]
    }
    error_message = "Each bucket refuses whoever comes without TLS."
  }

  assert {
    condition = one([for rule in aws_s3_bucket_lifecycle_configuration.landing.rule :
    [rule.filter[0].prefix, one(rule.transition).days, one(rule.transition).storage_class] if length(rule.transition) > 0]) == ["landing/", 30, "GLACIER_IR"]
    error_message = "Landing gets cold after 30 days, in a class that answers within milliseconds."
  }

  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.landing.rule : rule.filter[0].prefix if length(rule.expiration) > 0] == ["errors/"]
    error_message = "Of the landing bucket only errors expire; landing itself never does."
  }

  assert {
    condition = alltrue([for rules in [aws_s3_bucket_lifecycle_configuration.landing.rule, aws_s3_bucket_lifecycle_configuration.lake.rule] :
      length([for rule in rules : rule if length(rule.noncurrent_version_expiration) == 1 && length(rule.abort_incomplete_multipart_upload) == 1
    && rule.status == "Enabled"]) == 1])
    error_message = "Former versions and uploads that never ended expire in both buckets."
  }

  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.lake.rule : rule.filter[0].prefix if length(rule.expiration) > 0] == ["dagster/logs/"]
    error_message = "Of the lake bucket only Dagster's logs expire; tables never do."
  }

  # --- messages

  assert {
    condition     = [for queue in aws_s3_bucket_notification.landing.queue : [queue.queue_arn, queue.filter_prefix]] == [["arn:aws:sqs:eu-central-1:111122223333:the-queue", "landing/"]]
    error_message = "Objects in landing, and no errors, are told to the queue."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.landing.redrive_policy).deadLetterTargetArn == "arn:aws:sqs:eu-central-1:111122223333:the-dead-letters"
    error_message = "The queue has a dead-letter queue."
  }

  assert {
    condition     = aws_sqs_queue.landing.visibility_timeout_seconds * jsondecode(aws_sqs_queue.landing.redrive_policy).maxReceiveCount >= 8 * 3600
    error_message = "A message whose object waits to be loaded does not fail within eight hours."
  }

  assert {
    condition = one([for s in jsondecode(aws_sqs_queue_policy.landing.policy).Statement : [s.Principal.Service, s.Action, s.Condition.ArnEquals["aws:SourceArn"]]
    if s.Effect == "Allow"]) == ["s3.amazonaws.com", "sqs:SendMessage", "arn:aws:s3:::landing-bucket"]
    error_message = "Only S3 may send, and only about the landing bucket."
  }

  assert {
    condition = alltrue([for key in [
      aws_sqs_queue.landing.kms_master_key_id, aws_sqs_queue.landing_dead_letters.kms_master_key_id, aws_sns_topic.alarms.kms_master_key_id,
      aws_db_instance.this.kms_key_id, aws_secretsmanager_secret.alert_urls.kms_key_id, aws_cloudwatch_log_group.firehose.kms_key_id,
      aws_ecr_repository.this.encryption_configuration[0].kms_key, aws_kinesis_stream.events.kms_key_id,
    ] : key == "arn:aws:kms:eu-central-1:111122223333:key/the-key"])
    error_message = "Queues, topic, database, secrets, logs, images and stream are encrypted with the environment's key."
  }

  # --- registry

  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE" && aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push
    error_message = "A tag never changes what it names; images are scanned."
  }

  # --- database

  assert {
    condition     = aws_db_instance.this.storage_encrypted && !aws_db_instance.this.publicly_accessible && aws_db_instance.this.backup_retention_period == 7
    error_message = "The database is encrypted, not public, and backed up."
  }

  assert {
    condition     = aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot && !aws_s3_bucket.landing.force_destroy && !aws_s3_bucket.lake.force_destroy && !aws_ecr_repository.this.force_delete
    error_message = "A protected environment deletes neither its database nor a bucket or registry with something in it."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.inside["database"].referenced_security_group_id == aws_security_group.tasks.id && aws_vpc_security_group_ingress_rule.inside["database"].from_port == 5432 && aws_db_instance.this.vpc_security_group_ids == toset([aws_security_group.database.id])
    error_message = "The database is reached by tasks only."
  }

  # --- network

  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" && length(aws_vpc_endpoint.s3.route_table_ids) == 2
    error_message = "S3 is reached by a gateway endpoint in each private route table, not through a NAT gateway."
  }

  assert {
    condition     = aws_lb.webserver.internal && [for rule in aws_vpc_security_group_ingress_rule.ui : rule.cidr_ipv4] == ["10.0.0.0/8"]
    error_message = "The UI is inside, for the networks that are named."
  }

  assert {
    condition     = alltrue([for service in aws_ecs_service.this : !service.network_configuration[0].assign_public_ip && service.launch_type == "FARGATE"])
    error_message = "No task has a public address."
  }

  assert {
    condition     = aws_ecs_service.this["daemon"].deployment_maximum_percent == 100 && aws_ecs_service.this["daemon"].desired_count == 1
    error_message = "There is one daemon, and never two at once."
  }

  # --- logs and alarms

  assert {
    condition     = alltrue([for group in concat(values(aws_cloudwatch_log_group.tasks), [aws_cloudwatch_log_group.firehose, aws_cloudwatch_log_group.database]) : group.retention_in_days == 30])
    error_message = "Every log ends."
  }

  assert {
    condition = length(setsubtract([
      "AWS/Firehose DeliveryToS3.DataFreshness", "AWS/Firehose DeliveryToS3.Success", "AWS/Kinesis WriteProvisionedThroughputExceeded",
      "AWS/Kinesis ReadProvisionedThroughputExceeded", "AWS/Kinesis GetRecords.IteratorAgeMilliseconds", "AWS/RDS FreeStorageSpace",
      "AWS/SQS ApproximateNumberOfMessagesVisible", "AWS/ECS CPUUtilization",
    ], [for alarm in aws_cloudwatch_metric_alarm.this : "${alarm.namespace} ${alarm.metric_name}"])) == 0
    error_message = "There are alarms on delivery, stream, database, dead letters and services."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset(["arn:aws:sns:eu-central-1:111122223333:the-topic"])])
    error_message = "Every alarm goes to the topic."
  }

  # --- secrets

  assert {
    condition = alltrue([for task in concat(values(aws_ecs_task_definition.service), [aws_ecs_task_definition.run]) :
      alltrue([for container in jsondecode(task.container_definitions) : !strcontains(jsonencode(container), "made-up")
    && !contains(container.environment[*].name, "DAGSTER_POSTGRES_PASSWORD") && contains(container.secrets[*].name, "DAGSTER_POSTGRES_PASSWORD")])])
    error_message = "The password comes from Secrets Manager, and is in no task definition."
  }

  assert {
    condition = { for variable in jsondecode(aws_ecs_task_definition.run.container_definitions)[0].environment : variable.name => variable.value
      if contains(["EVENT_PLATFORM_ENV", "EVENT_PLATFORM_START_DATE", "EVENT_PLATFORM_GLUE_DATABASE", "EVENT_PLATFORM_LANDING_QUEUE", "EVENT_PLATFORM_UI_URL", "DAGSTER_ECS_TASK_DEFINITION", "DAGSTER_CODE_LOCATION_HOST"], variable.name) } == {
      EVENT_PLATFORM_ENV           = "staging"
      EVENT_PLATFORM_START_DATE    = "2025-01-01"
      EVENT_PLATFORM_GLUE_DATABASE = "event_platform_staging"
      EVENT_PLATFORM_LANDING_QUEUE = "https://sqs.eu-central-1.amazonaws.com/111122223333/the-queue"
      EVENT_PLATFORM_UI_URL        = "http://the-balancer.example"
      DAGSTER_ECS_TASK_DEFINITION  = "event-platform-staging-run"
      DAGSTER_CODE_LOCATION_HOST   = "code-location.event-platform-staging.internal"
    }
    error_message = "Containers are told their environment, in the variables that the platform reads."
  }
}

run "least_privilege" {
  # --- the task: landing is read, the lake is written

  assert {
    condition = toset(flatten([for s in jsondecode(aws_iam_role_policy.task.policy).Statement : s.Action
    if anytrue([for resource in flatten([s.Resource]) : strcontains(resource, "landing-bucket")])])) == toset(["s3:GetObject", "s3:ListBucket"])
    error_message = "Of landing, code location and runs may list and read, and nothing else."
  }

  assert {
    condition = one([for s in jsondecode(aws_iam_role_policy.task.policy).Statement : [toset(s.Action), s.Resource] if s.Sid == "HearOfLanding"]) == [
    toset(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]), "arn:aws:sqs:eu-central-1:111122223333:the-queue"]
    error_message = "They may receive and delete what the queue of landed objects holds."
  }

  assert {
    condition = one([for s in jsondecode(aws_iam_role_policy.task.policy).Statement : [toset(s.Action), s.Resource] if s.Sid == "WriteLake"]) == [
    toset(["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]), "arn:aws:s3:::lake-bucket/lake/*"]
    error_message = "In the lake they may read, write and delete objects."
  }

  assert {
    condition = one([for s in jsondecode(aws_iam_role_policy.task.policy).Statement : s.Resource if s.Sid == "TablesOfThisEnvironment"]) == [
      "arn:aws:glue:eu-central-1:111122223333:catalog",
      "arn:aws:glue:eu-central-1:111122223333:database/event_platform_staging",
      "arn:aws:glue:eu-central-1:111122223333:table/event_platform_staging/*",
    ]
    error_message = "In Glue they may work on the tables of this environment's database."
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.task.policy, "glue:DeleteTable") && !strcontains(aws_ecs_task_definition.run.container_definitions, "EVENT_PLATFORM_ICEBERG")
    error_message = "Without Iceberg nothing is published, and no table of Glue may be deleted."
  }

  # --- the launcher: that family, those two roles

  assert {
    condition = [for s in jsondecode(aws_iam_role_policy.launcher.policy).Statement : [s.Action, s.Resource, s.Condition.ArnEquals["ecs:cluster"]]
      if contains(flatten([s.Action]), "ecs:RunTask")] == [[
        "ecs:RunTask", "arn:aws:ecs:eu-central-1:111122223333:task-definition/the-run:*", "arn:aws:ecs:eu-central-1:111122223333:cluster/the-cluster",
    ]]
    error_message = "The launcher may start runs, and no other task, in this cluster."
  }

  assert {
    condition = [for s in jsondecode(aws_iam_role_policy.launcher.policy).Statement : [s.Resource, s.Condition.StringEquals["iam:PassedToService"]]
      if contains(flatten([s.Action]), "iam:PassRole")] == [[
        ["arn:aws:iam::111122223333:role/task", "arn:aws:iam::111122223333:role/execution"], "ecs-tasks.amazonaws.com",
    ]]
    error_message = "The launcher may hand over the roles of runs, and no other."
  }

  assert {
    condition = alltrue([for s in jsondecode(aws_iam_role_policy.launcher.policy).Statement : alltrue([for resource in flatten([s.Resource]) :
    !strcontains(resource, "landing-bucket") && !strcontains(resource, "lake-bucket/lake")])])
    error_message = "Webserver and daemon read neither landing nor tables."
  }

  # --- firehose and execution

  assert {
    condition = toset(flatten([for s in jsondecode(aws_iam_role_policy.firehose.policy).Statement : s.Resource
      if contains(flatten([s.Action]), "s3:PutObject")])) == toset([
      "arn:aws:s3:::landing-bucket/landing/*", "arn:aws:s3:::landing-bucket/errors/*",
    ])
    error_message = "Firehose may write landing and errors, and nothing else."
  }

  assert {
    condition     = !anytrue([for s in jsondecode(aws_iam_role_policy.firehose.policy).Statement : contains(flatten([s.Action]), "s3:DeleteObject")])
    error_message = "Firehose deletes nothing."
  }

  assert {
    condition = one([for s in jsondecode(aws_iam_role_policy.execution.policy).Statement : toset(s.Resource) if s.Sid == "ReadSecrets"]) == toset([
      var.database_password_secret_id, "arn:aws:secretsmanager:eu-central-1:111122223333:secret:the-alert-urls",
    ])
    error_message = "Tasks start with the two secrets of this environment, and no other."
  }

  # --- all

  assert {
    condition = alltrue(flatten([for policy in [aws_iam_role_policy.task.policy, aws_iam_role_policy.launcher.policy, aws_iam_role_policy.firehose.policy, aws_iam_role_policy.execution.policy] :
    [for s in jsondecode(policy).Statement : [for action in flatten([s.Action]) : !strcontains(action, "*")]]]))
    error_message = "Every action is named."
  }

  assert {
    condition = toset(flatten([for policy in [aws_iam_role_policy.task.policy, aws_iam_role_policy.launcher.policy, aws_iam_role_policy.firehose.policy, aws_iam_role_policy.execution.policy] :
      [for s in jsondecode(policy).Statement : s.Action if s.Resource == "*"]])) == toset([
      "ecs:DescribeTaskDefinition", "ec2:DescribeNetworkInterfaces", "ecr:GetAuthorizationToken",
    ])
    error_message = "All resources are allowed only where AWS knows no other for the action."
  }

  assert {
    condition = alltrue([for role in [aws_iam_role.task, aws_iam_role.launcher, aws_iam_role.execution] : [for s in jsondecode(role.assume_role_policy).Statement :
    [s.Principal.Service, s.Condition.StringEquals["aws:SourceAccount"]]] == [["ecs-tasks.amazonaws.com", "111122223333"]]])
    error_message = "Roles of tasks are for tasks of this account."
  }
}

run "through_endpoints" {
  variables {
    egress    = "endpoints"
    ui_tunnel = true
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_internet_gateway.this) == 0 && length(aws_route.private) == 0
    error_message = "With endpoints, nothing leads to the internet."
  }

  assert {
    condition     = toset(keys(aws_vpc_endpoint.interface)) == toset(["ecr.api", "ecr.dkr", "secretsmanager", "logs", "sqs", "ecs", "ec2", "glue", "ssmmessages"])
    error_message = "All that tasks and the run launcher ask has an endpoint."
  }

  assert {
    condition     = length(aws_vpc_security_group_egress_rule.internet) == 0 && aws_vpc_security_group_egress_rule.s3.prefix_list_id == "pl-of-s3"
    error_message = "Tasks may go to S3 and to what is inside."
  }

  assert {
    condition     = aws_ecs_service.this["webserver"].enable_execute_command && !aws_ecs_service.this["daemon"].enable_execute_command
    error_message = "The tunnel leads to the webserver alone."
  }
}

run "highly_available" {
  variables {
    high_availability = true
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 2 && aws_db_instance.this.multi_az
    error_message = "Each zone has a gateway of its own; the database has a standby."
  }
}

run "published_in_iceberg" {
  variables {
    iceberg = true
  }

  assert {
    condition     = one([for variable in jsondecode(aws_ecs_task_definition.run.container_definitions)[0].environment : variable.value if variable.name == "EVENT_PLATFORM_ICEBERG"]) == "glue"
    error_message = "Iceberg tables are published in the Glue database of the environment."
  }

  assert {
    condition = one([for s in jsondecode(aws_iam_role_policy.task.policy).Statement : s.Resource if s.Sid == "IcebergTablesOfThisEnvironment"]) == [
      "arn:aws:glue:eu-central-1:111122223333:catalog",
      "arn:aws:glue:eu-central-1:111122223333:database/event_platform_staging",
      "arn:aws:glue:eu-central-1:111122223333:table/event_platform_staging/iceberg_*",
    ]
    error_message = "Only Iceberg's tables may be deleted."
  }
}

run "unprotected_and_without_extras" {
  variables {
    deletion_protection = false
    glue_database       = false
    image_tag           = null
    alarm_emails        = ["somebody@example.com"]
  }

  assert {
    condition     = !aws_db_instance.this.deletion_protection && aws_s3_bucket.lake.force_destroy && aws_db_instance.this.skip_final_snapshot
    error_message = "An unprotected environment can be deleted as a whole."
  }

  assert {
    condition     = length(aws_glue_catalog_database.events) == 0 && !strcontains(aws_iam_role_policy.task.policy, "glue:")
    error_message = "Without a Glue database, nothing may be done in Glue."
  }

  assert {
    condition     = alltrue([for service in aws_ecs_service.this : service.desired_count == 0]) && !anytrue([for name in keys(aws_cloudwatch_metric_alarm.this) : endswith(name, "-is-down")])
    error_message = "Before the first image is pushed nothing runs, and nothing rings for it."
  }

  assert {
    condition     = [for subscription in aws_sns_topic_subscription.alarm_emails : subscription.endpoint] == ["somebody@example.com"]
    error_message = "Alarms are sent to the addresses that are named."
  }
}

run "alarm_for_readers_of_the_queue" {
  variables {
    landing_queue_alarm_seconds = 3600
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["landing-messages-wait"].metric_name == "ApproximateAgeOfOldestMessage" && aws_cloudwatch_metric_alarm.this["landing-messages-wait"].threshold == 3600
    error_message = "There is an alarm on what waits in the queue, where one is asked for."
  }
}

run "lands_everything" {
  assert {
    condition     = length(aws_lambda_function.filter) + length(aws_dynamodb_table.seen_events) + length(aws_sqs_queue.redeliveries) + length(aws_iam_role.filter) == 0
    error_message = "There is no filter unless one is asked for."
  }

  assert {
    condition     = [for processor in aws_kinesis_firehose_delivery_stream.landing.extended_s3_configuration[0].processing_configuration[0].processors : processor.type] == ["AppendDelimiterToRecord"]
    error_message = "Without a filter, Firehose asks nobody."
  }
}

run "deduplicates_before_landing" {
  variables {
    deduplicate_before_landing = true
  }

  assert {
    condition = one([for processor in aws_kinesis_firehose_delivery_stream.landing.extended_s3_configuration[0].processing_configuration[0].processors :
      { for parameter in processor.parameters : parameter.parameter_name => parameter.parameter_value } if processor.type == "Lambda"]) == {
      LambdaArn               = "arn:aws:lambda:eu-central-1:111122223333:function:the-filter:$LATEST"
      BufferSizeInMBs         = "0.5"
      BufferIntervalInSeconds = "30"
      NumberOfRetries         = "10"
    }
    error_message = "Firehose asks the filter, in small batches."
  }

  assert {
    condition     = aws_lambda_function.filter["filter"].environment[0].variables.EVENT_PLATFORM_DEAD_LETTER_QUEUE == "https://sqs.eu-central-1.amazonaws.com/111122223333/the-redeliveries" && aws_lambda_function.filter["filter"].environment[0].variables.EVENT_PLATFORM_SEEN_TABLE == "event-platform-staging-seen-events"
    error_message = "The filter has the names of its table and its queue."
  }

  assert {
    condition     = aws_dynamodb_table.seen_events["filter"].hash_key == "event_uuid" && aws_dynamodb_table.seen_events["filter"].ttl[0].attribute_name == "expires_at" && aws_dynamodb_table.seen_events["filter"].billing_mode == "PAY_PER_REQUEST"
    error_message = "The table has the key and the TTL that the filter writes."
  }

  assert {
    condition = alltrue([for key in [
      aws_dynamodb_table.seen_events["filter"].server_side_encryption[0].kms_key_arn, aws_sqs_queue.redeliveries["filter"].kms_master_key_id,
      aws_cloudwatch_log_group.filter["filter"].kms_key_id, aws_lambda_function.filter["filter"].kms_key_arn,
    ] : key == "arn:aws:kms:eu-central-1:111122223333:key/the-key"])
    error_message = "Table, queue, log and settings of the filter are encrypted with the environment's key."
  }

  assert {
    condition = [for s in jsondecode(aws_iam_role_policy.filter["filter"].policy).Statement : [flatten([s.Action]), s.Resource]] == [
      [["dynamodb:PutItem"], "arn:aws:dynamodb:eu-central-1:111122223333:table/the-table"],
      [["sqs:SendMessage"], "arn:aws:sqs:eu-central-1:111122223333:the-redeliveries"],
      [["kms:Decrypt", "kms:GenerateDataKey"], "arn:aws:kms:eu-central-1:111122223333:key/the-key"],
      [["logs:CreateLogStream", "logs:PutLogEvents"], "arn:aws:logs:eu-central-1:111122223333:log-group:filter:log-stream:*"],
    ]
    error_message = "The filter may write its table, its queue and its log, and nothing else: no stream, no bucket."
  }

  assert {
    condition = one([for s in jsondecode(aws_iam_role_policy.firehose.policy).Statement : s.Resource if contains(flatten([s.Action]), "lambda:InvokeFunction")]) == [
    "arn:aws:lambda:eu-central-1:111122223333:function:the-filter", "arn:aws:lambda:eu-central-1:111122223333:function:the-filter:$LATEST"]
    error_message = "Firehose may ask the filter, and no other function."
  }

  assert {
    condition = one([for s in jsondecode(aws_iam_role_policy.task.policy).Statement : s.Action if s.Resource == "arn:aws:sqs:eu-central-1:111122223333:the-redeliveries"]) == [
    "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    error_message = "Runs may take what the filter dropped."
  }

  assert {
    condition = alltrue([for task in [aws_ecs_task_definition.run, aws_ecs_task_definition.service["code-location"]] : one([
      for variable in jsondecode(task.container_definitions)[0].environment : variable.value if variable.name == "EVENT_PLATFORM_REDELIVERIES_QUEUE"
    ]) == "https://sqs.eu-central-1.amazonaws.com/111122223333/the-redeliveries"])
    error_message = "Runs know the queue of what the filter dropped."
  }

  assert {
    condition = length(setsubtract(["AWS/Lambda Errors", "AWS/Lambda Throttles", "EventPlatform Undecided", "AWS/SQS ApproximateAgeOfOldestMessage"],
    [for alarm in aws_cloudwatch_metric_alarm.this : "${alarm.namespace} ${alarm.metric_name}"])) == 0
    error_message = "There are alarms on a filter that fails, is refused, or cannot decide, and on what it dropped and nobody takes."
  }
}

run "wrong_settings" {
  command = plan

  variables {
    environment          = "production"
    vpc_cidr             = "10.0.0.0/24"
    egress               = "internet"
    ui_allowed_cidrs     = ["0.0.0.0/0"]
    start_date           = "yesterday"
    database_backup_days = 0
  }

  expect_failures = [
    var.environment, var.vpc_cidr, var.egress, var.ui_allowed_cidrs, var.start_date, var.database_backup_days,
  ]
}

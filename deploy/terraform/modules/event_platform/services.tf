# Dagster: three services that always run, and a task definition that the daemon starts for each run.
resource "aws_ecs_cluster" "this" {
  name = local.name
}

resource "aws_service_discovery_private_dns_namespace" "this" {
  name = "${local.name}.internal"
  vpc  = aws_vpc.this.id
}

resource "aws_service_discovery_service" "code_location" {
  name = "code-location"

  dns_config {
    namespace_id   = aws_service_discovery_private_dns_namespace.this.id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = 10
    }
  }
}

resource "aws_cloudwatch_log_group" "tasks" {
  for_each = toset(["webserver", "daemon", "code-location", "run"])

  name              = "/ecs/${local.name}/${each.value}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn
}

locals {
  image       = "${aws_ecr_repository.this.repository_url}:${coalesce(var.image_tag, "none-yet")}"
  has_image   = var.image_tag != null
  run_family  = "${local.name}-run"
  web_address = "${var.certificate_arn == null ? "http" : "https"}://${aws_lb.webserver.dns_name}"

  variables = { for name, value in {
    AWS_REGION                        = local.region
    AWS_DEFAULT_REGION                = local.region
    EVENT_PLATFORM_ENV                = var.environment
    EVENT_PLATFORM_LANDING            = "s3://${aws_s3_bucket.landing.bucket}/${local.landing_prefix}"
    EVENT_PLATFORM_LAKE               = "s3://${aws_s3_bucket.lake.bucket}/${local.lake_prefix}"
    EVENT_PLATFORM_CATALOG            = var.catalog
    EVENT_PLATFORM_START_DATE         = var.start_date
    EVENT_PLATFORM_UI_URL             = coalesce(var.ui_url, local.web_address)
    EVENT_PLATFORM_REPORT_URL         = var.report_url
    EVENT_PLATFORM_LANDING_QUEUE      = aws_sqs_queue.landing.url
    EVENT_PLATFORM_GLUE_DATABASE      = var.glue_database ? local.glue_database : null
    EVENT_PLATFORM_REDELIVERIES_QUEUE = one([for queue in aws_sqs_queue.redeliveries : queue.url])
    EVENT_PLATFORM_ICEBERG            = var.iceberg ? "glue" : null

    PGSSLMODE                   = "require"
    DAGSTER_POSTGRES_HOST       = aws_db_instance.this.address
    DAGSTER_POSTGRES_PORT       = tostring(aws_db_instance.this.port)
    DAGSTER_POSTGRES_USER       = aws_db_instance.this.username
    DAGSTER_POSTGRES_DB         = aws_db_instance.this.db_name
    DAGSTER_COMPUTE_LOGS_BUCKET = aws_s3_bucket.lake.bucket
    DAGSTER_ECS_CONTAINER_NAME  = "run"
    DAGSTER_CURRENT_IMAGE       = local.image
    DAGSTER_CODE_LOCATION_HOST  = "${aws_service_discovery_service.code_location.name}.${aws_service_discovery_private_dns_namespace.this.name}"
  } : name => value if value != null }

  secrets = [
    { name = "DAGSTER_POSTGRES_PASSWORD", valueFrom = var.database_password_secret_id },
    { name = "EVENT_PLATFORM_ALERT_URLS", valueFrom = aws_secretsmanager_secret.alert_urls.arn },
  ]

  # The commands and checks of the image. Webserver and daemon send no alerts, and need no addresses for them.
  services = {
    webserver = {
      size    = var.sizes.webserver
      role    = aws_iam_role.launcher.arn
      port    = 3000
      secrets = [local.secrets[0]]
      check   = "healthy webserver"
    }
    daemon = {
      size    = var.sizes.daemon
      role    = aws_iam_role.launcher.arn
      port    = null
      secrets = [local.secrets[0]]
      check   = "healthy daemon"
    }
    code-location = {
      size    = var.sizes.code_location
      role    = aws_iam_role.task.arn
      port    = 4000
      secrets = local.secrets
      check   = "healthy code-location"
    }
  }

  log_options = { for name, group in aws_cloudwatch_log_group.tasks : name => {
    logDriver = "awslogs"
    options = {
      awslogs-group         = group.name
      awslogs-region        = local.region
      awslogs-stream-prefix = "ecs"
    }
  } }
}

resource "aws_ecs_task_definition" "service" {
  for_each = local.services

  family                   = "${local.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.size.cpu
  memory                   = each.value.size.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = each.value.role

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }

  container_definitions = jsonencode([{
    name         = each.key
    image        = local.image
    essential    = true
    command      = [each.key]
    portMappings = [for port in [each.value.port] : { containerPort = port, hostPort = port, protocol = "tcp" } if port != null]
    environment = [for name, value in merge(local.variables, {
      # With its revision: when runs change, the services start anew, and ask for the new one.
      DAGSTER_ECS_TASK_DEFINITION = aws_ecs_task_definition.run.arn
    }) : { name = name, value = value }]
    secrets          = each.value.secrets
    logConfiguration = local.log_options[each.key]
    linuxParameters  = { initProcessEnabled = true }
    healthCheck = {
      command     = ["CMD-SHELL", each.value.check]
      interval    = 60
      timeout     = 30
      retries     = 3
      startPeriod = 120
    }
  }])
}

resource "aws_ecs_task_definition" "run" {
  family                   = local.run_family
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.sizes.run.cpu
  memory                   = var.sizes.run.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }

  # Its command is the launcher's to say.
  container_definitions = jsonencode([{
    name      = "run"
    image     = local.image
    essential = true
    environment = [for name, value in merge(local.variables, {
      DAGSTER_ECS_TASK_DEFINITION = local.run_family
    }) : { name = name, value = value }]
    secrets          = local.secrets
    logConfiguration = local.log_options["run"]
    linuxParameters  = { initProcessEnabled = true }
    stopTimeout      = 120 # for a run that is cancelled to say so
  }])
}

resource "aws_ecs_service" "this" {
  for_each = local.services

  name            = each.key
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.service[each.key].arn
  desired_count   = local.has_image ? 1 : 0
  # Not a capacity provider: the run launcher takes this from the daemon, and knows only the launch type.
  launch_type            = "FARGATE"
  enable_execute_command = each.key == "webserver" && var.ui_tunnel

  # Of daemons there must never be two.
  deployment_minimum_healthy_percent = each.key == "daemon" ? 0 : 100
  deployment_maximum_percent         = each.key == "daemon" ? 100 : 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = aws_subnet.private[*].id
    security_groups  = [aws_security_group.tasks.id]
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = each.key == "webserver" ? [1] : []

    content {
      target_group_arn = aws_lb_target_group.webserver.arn
      container_name   = each.key
      container_port   = each.value.port
    }
  }

  dynamic "service_registries" {
    for_each = each.key == "code-location" ? [1] : []

    content {
      registry_arn = aws_service_discovery_service.code_location.arn
    }
  }

  depends_on = [
    aws_iam_role_policy.execution,
    aws_iam_role_policy.launcher,
    aws_iam_role_policy.task,
    aws_lb_listener.webserver,
  ]
}

output "environment" {
  description = "Names and addresses that people and producers need."
  value = {
    region            = local.region
    stream            = aws_kinesis_stream.events.name
    landing           = local.variables.EVENT_PLATFORM_LANDING
    lake              = local.variables.EVENT_PLATFORM_LAKE
    glue_database     = var.glue_database ? local.glue_database : null
    repository        = aws_ecr_repository.this.repository_url
    cluster           = aws_ecs_cluster.this.name
    ui                = local.variables.EVENT_PLATFORM_UI_URL
    load_balancer     = aws_lb.webserver.dns_name
    alert_urls_secret = aws_secretsmanager_secret.alert_urls.name
    alarms_topic      = aws_sns_topic.alarms.arn
    landing_queue     = aws_sqs_queue.landing.url
    redeliveries      = one([for queue in aws_sqs_queue.redeliveries : queue.url])
    key               = aws_kms_key.this.arn
    vpc               = aws_vpc.this.id
  }
}

output "kms_key_arn" {
  description = "The key that encrypts all that this environment stores."
  value       = aws_kms_key.this.arn
}

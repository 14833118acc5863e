# One environment. Which one, and all that differs between them, is in environments/<environment>.tfvars.

module "event_platform" {
  source = "./modules/event_platform"

  name        = var.name
  environment = var.environment
  image_tag   = var.image_tag
  start_date  = var.start_date
  catalog     = var.catalog
  sizes       = var.sizes

  vpc_cidr          = var.vpc_cidr
  egress            = var.egress
  high_availability = var.high_availability
  ui_allowed_cidrs  = var.ui_allowed_cidrs
  ui_tunnel         = var.ui_tunnel
  ui_url            = var.ui_url
  report_url        = var.report_url
  certificate_arn   = var.certificate_arn

  stream_retention_hours  = var.stream_retention_hours
  delivery_buffer_seconds = var.delivery_buffer_seconds
  delivery_buffer_mib     = var.delivery_buffer_mib

  deduplicate_before_landing = var.deduplicate_before_landing

  database_class              = var.database_class
  database_storage_gib        = var.database_storage_gib
  database_max_storage_gib    = var.database_max_storage_gib
  database_backup_days        = var.database_backup_days
  database_password           = module.database_password.value
  database_password_version   = var.database_password_version
  database_password_secret_id = module.database_password.secret_arn

  deletion_protection         = var.deletion_protection
  log_retention_days          = var.log_retention_days
  alarm_emails                = var.alarm_emails
  landing_queue_alarm_seconds = var.landing_queue_alarm_seconds
  glue_database               = var.glue_database
  iceberg                     = var.iceberg
}

# A module of its own because it reads the password back, which the mocks of `terraform test` cannot do.
module "database_password" {
  source = "./modules/database_password"

  name                 = "${var.name}-${var.environment}/database-password"
  kms_key_arn          = module.event_platform.kms_key_arn
  password_version     = var.database_password_version
  recovery_window_days = var.deletion_protection ? 30 : 0
}

name        = "event-platform"
environment = "prod"
region      = "eu-central-1"
start_date  = "2025-01-01"
catalog     = null

sizes = {
  webserver     = { cpu = 1024, memory = 2048 }
  daemon        = { cpu = 1024, memory = 2048 }
  code_location = { cpu = 1024, memory = 4096 }
  run           = { cpu = 2048, memory = 8192 }
}

vpc_cidr          = "10.22.0.0/16"
egress            = "nat"
high_availability = true
ui_allowed_cidrs  = []
ui_tunnel         = false
ui_url            = null
report_url        = null
certificate_arn   = null

stream_retention_hours  = 168
delivery_buffer_seconds = 300
delivery_buffer_mib     = 128

deduplicate_before_landing = false

database_class            = "db.t4g.medium"
database_storage_gib      = 20
database_max_storage_gib  = 500
database_backup_days      = 14
database_password_version = 1

deletion_protection         = true
log_retention_days          = 90
alarm_emails                = []
landing_queue_alarm_seconds = 3600
glue_database               = true
iceberg                     = false

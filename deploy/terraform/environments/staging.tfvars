name        = "event-platform"
environment = "staging"
region      = "eu-central-1"
start_date  = "2025-01-01"
catalog     = null

sizes = {
  webserver     = { cpu = 512, memory = 2048 }
  daemon        = { cpu = 512, memory = 2048 }
  code_location = { cpu = 512, memory = 2048 }
  run           = { cpu = 2048, memory = 8192 }
}

vpc_cidr          = "10.21.0.0/16"
egress            = "nat"
high_availability = false
ui_allowed_cidrs  = []
ui_tunnel         = true
ui_url            = null
report_url        = null
certificate_arn   = null

stream_retention_hours  = 24
delivery_buffer_seconds = 300
delivery_buffer_mib     = 128

deduplicate_before_landing = false

database_class            = "db.t4g.small"
database_storage_gib      = 20
database_max_storage_gib  = 100
database_backup_days      = 7
database_password_version = 1

deletion_protection         = false
log_retention_days          = 30
alarm_emails                = []
landing_queue_alarm_seconds = 3600
glue_database               = true
iceberg                     = false

# What each is for is told, and checked, in modules/event_platform/variables.tf. None but the image has a default:
# an environment's file names them all, so that no two environments differ in what nobody wrote down.

variable "region" {
  description = "AWS region of everything."
  type        = string
}

variable "image_tag" {
  description = "Tag of the image in ECR that runs. null before the first image is pushed: all is made, nothing runs."
  type        = string
  default     = null
}

variable "name" { type = string }
variable "environment" { type = string }
variable "start_date" { type = string }
variable "catalog" { type = string }
variable "sizes" { type = map(object({ cpu = number, memory = number })) }

variable "vpc_cidr" { type = string }
variable "egress" { type = string }
variable "high_availability" { type = bool }
variable "ui_allowed_cidrs" { type = list(string) }
variable "ui_tunnel" { type = bool }
variable "ui_url" { type = string }
variable "report_url" { type = string }
variable "certificate_arn" { type = string }

variable "stream_retention_hours" { type = number }
variable "delivery_buffer_seconds" { type = number }
variable "delivery_buffer_mib" { type = number }
variable "deduplicate_before_landing" { type = bool }

variable "database_class" { type = string }
variable "database_storage_gib" { type = number }
variable "database_max_storage_gib" { type = number }
variable "database_backup_days" { type = number }
variable "database_password_version" { type = number }

variable "deletion_protection" { type = bool }
variable "log_retention_days" { type = number }
variable "alarm_emails" { type = list(string) }
variable "landing_queue_alarm_seconds" { type = number }
variable "glue_database" { type = bool }
variable "iceberg" { type = bool }

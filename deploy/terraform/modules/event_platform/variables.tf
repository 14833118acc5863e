# --- what runs

variable "name" {
  description = "First part of the name of everything. Another name makes another set of environments in the account."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,18}[a-z0-9]$", var.name))
    error_message = "name: expected 2 to 20 of a-z, 0-9 and -, a letter first: load balancers take no longer names."
  }
}

variable "environment" {
  description = "dev, staging or prod; EVENT_PLATFORM_ENV of the containers."
  type        = string

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "environment: expected dev, staging or prod, as EVENT_PLATFORM_ENV."
  }
}

variable "image_tag" {
  description = "Tag of the image in ECR that runs. null: all is made, nothing runs."
  type        = string
  default     = null
}

variable "start_date" {
  description = "EVENT_PLATFORM_START_DATE: the first partition, such as 2025-01-01. Do not move it later."
  type        = string

  validation {
    condition     = can(formatdate("YYYY", "${var.start_date}T00:00:00Z"))
    error_message = "start_date: expected a date such as 2025-01-01."
  }
}

variable "catalog" {
  description = "EVENT_PLATFORM_CATALOG: a folder in the image. null: the image's own."
  type        = string
  default     = null
}

variable "sizes" {
  description = "CPU units (1024 are a core) and MiB of memory of webserver, daemon, code_location and each run."
  type        = map(object({ cpu = number, memory = number }))

  validation {
    condition     = toset(keys(var.sizes)) == toset(["webserver", "daemon", "code_location", "run"])
    error_message = "sizes: expected webserver, daemon, code_location and run, each with a pair that Fargate offers."
  }
}

# --- network

variable "vpc_cidr" {
  description = "Addresses of the network, a /16 to /20. Must overlap with no network that it is to be connected to."
  type        = string

  validation {
    condition     = can(cidrsubnet(var.vpc_cidr, 4, 3)) && try(tonumber(split("/", var.vpc_cidr)[1]), 0) >= 16 && try(tonumber(split("/", var.vpc_cidr)[1]), 32) <= 20
    error_message = "vpc_cidr: expected a network such as 10.20.0.0/16, from /16 to /20."
  }
}

variable "egress" {
  description = <<-END
    How tasks reach AWS's interfaces. nat: through a NAT gateway, to the internet too, as alerts to Slack or by mail need
    it. endpoints: through interface endpoints, and to nothing else. Traffic to S3 goes through neither.
  END
  type        = string

  validation {
    condition     = contains(["nat", "endpoints"], var.egress)
    error_message = "egress: expected nat or endpoints."
  }
}

variable "high_availability" {
  description = "Whether the database has a standby in another zone, and each zone a NAT gateway of its own."
  type        = bool
}

variable "ui_allowed_cidrs" {
  description = "Networks that may reach the UI, which asks for no password; those of your VPN, for instance."
  type        = list(string)

  validation {
    condition     = alltrue([for cidr in var.ui_allowed_cidrs : can(cidrhost(cidr, 0)) && !endswith(cidr, "/0")])
    error_message = "ui_allowed_cidrs: expected networks such as 10.0.0.0/8, and not all addresses: the UI has no login."
  }
}

variable "ui_tunnel" {
  description = "Whether Session Manager may open a tunnel to the UI (ECS Exec), for those without a VPN."
  type        = bool
}

variable "ui_url" {
  description = "EVENT_PLATFORM_UI_URL: where the links of alerts lead. null: the load balancer's own name."
  type        = string
  default     = null
}

variable "report_url" {
  description = "EVENT_PLATFORM_REPORT_URL: where reports/quality of the lake is served, for links to its pages. null: it is not."
  type        = string
  default     = null
}

variable "certificate_arn" {
  description = "Certificate of the load balancer, of ACM. null: plain HTTP inside the network."
  type        = string
  default     = null
}

# --- stream

variable "stream_retention_hours" {
  description = "Hours that the stream keeps records: what Firehose may be behind before something is lost. 24 to 8760."
  type        = number

  validation {
    condition     = var.stream_retention_hours >= 24 && var.stream_retention_hours <= 8760
    error_message = "stream_retention_hours: expected 24 to 8760."
  }
}

variable "delivery_buffer_seconds" {
  description = "Firehose delivers at the latest after so many seconds, or as soon as it has delivery_buffer_mib."
  type        = number

  validation {
    condition     = var.delivery_buffer_seconds >= 60 && var.delivery_buffer_seconds <= 900
    error_message = "delivery_buffer_seconds: expected 60 to 900; less makes objects so small that listing them costs more."
  }
}

variable "delivery_buffer_mib" {
  description = "See delivery_buffer_seconds; before compression. 1 to 128."
  type        = number
}

variable "deduplicate_before_landing" {
  description = "Whether a Lambda drops redelivered events before they land. It takes stream_filter.zip in the root: make lambda."
  type        = bool
  default     = false
}

# --- database

variable "database_class" {
  description = "Class of the database instance."
  type        = string
}

variable "database_storage_gib" {
  description = "Storage of the database to begin with, GiB."
  type        = number
}

variable "database_max_storage_gib" {
  description = "What the storage of the database may grow to by itself, GiB."
  type        = number
}

variable "database_backup_days" {
  description = "Days that automatic backups are kept; to any second of them the database can be restored."
  type        = number

  validation {
    condition     = var.database_backup_days >= 1 && var.database_backup_days <= 35
    error_message = "database_backup_days: expected 1 to 35; without backups the history of runs is gone with the disk."
  }
}

variable "database_password" {
  description = "Password of the database; in no state and in no plan."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "database_password_version" {
  description = "A higher number sets a new password. Start new tasks then: they take it when they start."
  type        = number
}

variable "database_password_secret_id" {
  description = "The secret that holds the password: its ARN."
  type        = string
}

# --- operation

variable "deletion_protection" {
  description = "Whether database and load balancer refuse to be deleted, and buckets and registry while anything is in them."
  type        = bool
}

variable "log_retention_days" {
  description = "Days that logs are kept, those of runs too."
  type        = number
}

variable "alarm_emails" {
  description = "Addresses that alarms are sent to; each has to confirm a message of AWS."
  type        = list(string)
}

variable "landing_queue_alarm_seconds" {
  description = "Alarm when a message about a landed object waits longer. null for none."
  type        = number
  default     = null
}

variable "glue_database" {
  description = "Whether there is a Glue database that the event tables are registered in."
  type        = bool
}

variable "iceberg" {
  description = "Whether the tables are published in Iceberg's format as well, in the same Glue database."
  type        = bool

  validation {
    condition     = !var.iceberg || var.glue_database
    error_message = "iceberg needs glue_database: the tables are published in it."
  }
}

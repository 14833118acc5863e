# A random password that is in no state and in no plan: made in Secrets Manager, read back when the database is made.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

variable "name" {
  description = "Name of the secret."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that encrypts the secret."
  type        = string
}

variable "password_version" {
  description = "A higher number makes a new password."
  type        = number
}

variable "recovery_window_days" {
  description = "Days that a deleted secret can be restored; 0 deletes it at once."
  type        = number
}

ephemeral "aws_secretsmanager_random_password" "this" {
  password_length     = 40
  exclude_punctuation = true # it goes into a connection string
}

resource "aws_secretsmanager_secret" "this" {
  name                    = var.name
  description             = "Password of the database of Dagster."
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_days
}

resource "aws_secretsmanager_secret_version" "this" {
  secret_id                = aws_secretsmanager_secret.this.id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.this.random_password
  secret_string_wo_version = var.password_version
}

# Read back, not passed on: were an apply to stop after the secret, the next would make the database with another one.
ephemeral "aws_secretsmanager_secret_version" "this" {
  secret_id = aws_secretsmanager_secret_version.this.secret_id
}

output "secret_arn" {
  description = "The secret, for tasks to take the password from."
  value       = aws_secretsmanager_secret.this.arn
}

output "value" {
  description = "The password."
  value       = ephemeral.aws_secretsmanager_secret_version.this.secret_string
  ephemeral   = true
  sensitive   = true
}

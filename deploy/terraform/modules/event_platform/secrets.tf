# Where alerts go: apprise addresses, which hold tokens. They are put here by hand, so that no state ever has them.
resource "aws_secretsmanager_secret" "alert_urls" {
  name                    = "${local.name}/alert-urls"
  description             = "EVENT_PLATFORM_ALERT_URLS: apprise addresses with a space between them."
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = var.deletion_protection ? 30 : 0
}

# No task starts with a secret that has no value; a space is none for the platform. What is put later stays.
resource "aws_secretsmanager_secret_version" "alert_urls" {
  secret_id                = aws_secretsmanager_secret.alert_urls.id
  secret_string_wo         = " "
  secret_string_wo_version = 1
}

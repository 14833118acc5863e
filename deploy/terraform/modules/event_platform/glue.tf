resource "aws_glue_catalog_database" "events" {
  count = var.glue_database ? 1 : 0

  name         = local.glue_database
  description  = "Event tables of ${local.name}."
  location_uri = "s3://${aws_s3_bucket.lake.bucket}/${local.lake_prefix}/"
}

locals {
  # Athena's names have no hyphens.
  glue_database = replace(local.name, "-", "_")
}

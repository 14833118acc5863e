# Landing is what Firehose delivered: nothing here changes or deletes it, so that every table can be made anew.
resource "aws_s3_bucket" "landing" {
  bucket        = "${local.name}-landing-${local.account}"
  force_destroy = !var.deletion_protection
}

# The lake holds the tables, and Dagster's logs.
resource "aws_s3_bucket" "lake" {
  bucket        = "${local.name}-lake-${local.account}"
  force_destroy = !var.deletion_protection
}

locals {
  buckets = {
    landing = aws_s3_bucket.landing
    lake    = aws_s3_bucket.lake
  }
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.buckets
  bucket   = each.value.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = local.buckets
  bucket   = each.value.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets
  bucket   = each.value.id

  rule {
    bucket_key_enabled = true # without it, each object costs a call of KMS

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.buckets
  bucket   = each.value.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.buckets
  bucket   = each.value.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [each.value.arn, "${each.value.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "landing" {
  bucket = aws_s3_bucket.landing.id

  # Read once when it arrives, and again only to make a day anew: then within milliseconds, as the platform expects.
  rule {
    id     = "landing-gets-cold"
    status = "Enabled"

    filter {
      prefix = "${local.landing_prefix}/"
    }

    transition {
      days          = 30
      storage_class = "GLACIER_IR"
    }
  }

  rule {
    id     = "errors-expire"
    status = "Enabled"

    filter {
      prefix = "errors/"
    }

    expiration {
      days = 90
    }
  }

  rule {
    id     = "leftovers-expire"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 30
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id

  rule {
    id     = "logs-expire"
    status = "Enabled"

    filter {
      prefix = "${local.logs_prefix}/"
    }

    expiration {
      days = var.log_retention_days
    }
  }

  # What vacuum has removed can be had back for a week.
  rule {
    id     = "leftovers-expire"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 7
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

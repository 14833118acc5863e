# A machine image for those who run the platform on one EC2 instance: webserver, daemon, code location and runs as one
# unprivileged user. docs/how-to/images.md says how to build and to start it. It holds no setting and no secret.

variable "region" {
  type        = string
  description = "Where the image is made."
}

variable "source" {
  type        = string
  description = "An archive of the repository, as `git archive` makes it."
}

variable "architecture" {
  type        = string
  description = "amd64 or arm64."
  default     = "arm64"
}

variable "subnet_id" {
  type        = string
  description = "Where the machine that builds runs; empty for one of the default network."
  default     = ""
}

locals {
  instance_types = { amd64 = "t3.medium", arm64 = "t4g.medium" }
  built          = formatdate("YYYYMMDD-hhmm", timestamp())
}

source "amazon-ebs" "event_platform" {
  region        = var.region
  subnet_id     = var.subnet_id
  instance_type = local.instance_types[var.architecture]
  ami_name      = "event-platform-${var.architecture}-${local.built}"

  # Debian 12 has Python 3.11, as the lock file has. Only Debian's own account can have made the image.
  source_ami_filter {
    filters = {
      name                = "debian-12-${var.architecture}-*"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
    owners      = ["136693071363"]
    most_recent = true
  }

  ssh_username              = "admin"
  ssh_clear_authorized_keys = true
  temporary_key_pair_type   = "ed25519"

  # Credentials of the instance are given to nobody who can make it send a plain GET, such as a web hook.
  imds_support = "v2.0"
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  encrypt_boot = true
  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    volume_size           = 20
    encrypted             = true
    delete_on_termination = true
  }

  tags = {
    Name       = "event-platform"
    source_ami = "{{ .SourceAMI }}"
  }
}

build {
  sources = ["source.amazon-ebs.event_platform"]

  provisioner "file" {
    source      = var.source
    destination = "/tmp/event_platform.tar.gz"
  }

  provisioner "file" {
    source      = "${path.root}/systemd"
    destination = "/tmp"
  }

  provisioner "shell" {
    script          = "${path.root}/install.sh"
    execute_command = "sudo -n {{ .Vars }} sh {{ .Path }}"
  }
}

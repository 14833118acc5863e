# Who may talk to whom. Runs are started with the network of the daemon, so that all tasks share one group.
resource "aws_security_group" "tasks" {
  name        = "${local.name}-tasks"
  description = "Webserver, daemon, code location and runs."
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "load_balancer" {
  name        = "${local.name}-load-balancer"
  description = "Load balancer of the UI."
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "database" {
  name        = "${local.name}-database"
  description = "Database."
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "endpoints" {
  name        = "${local.name}-endpoints"
  description = "Interface endpoints."
  vpc_id      = aws_vpc.this.id
}

locals {
  ui_port = var.certificate_arn == null ? 80 : 443

  inside = {
    webserver = { to = aws_security_group.tasks.id, from = aws_security_group.load_balancer.id, port = 3000 }
    code      = { to = aws_security_group.tasks.id, from = aws_security_group.tasks.id, port = 4000 }
    database  = { to = aws_security_group.database.id, from = aws_security_group.tasks.id, port = 5432 }
    endpoints = { to = aws_security_group.endpoints.id, from = aws_security_group.tasks.id, port = 443 }
  }

  # Elsewhere: S3; and, with a gateway, AWS's interfaces and webhooks (443) and mail with TLS (465, 587).
  internet_ports = var.egress == "nat" ? ["443", "465", "587"] : []
}

resource "aws_vpc_security_group_ingress_rule" "inside" {
  for_each = local.inside

  security_group_id            = each.value.to
  referenced_security_group_id = each.value.from
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_egress_rule" "inside" {
  for_each = local.inside

  security_group_id            = each.value.from
  referenced_security_group_id = each.value.to
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_ingress_rule" "ui" {
  for_each = toset(var.ui_allowed_cidrs)

  security_group_id = aws_security_group.load_balancer.id
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = local.ui_port
  to_port           = local.ui_port
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  security_group_id = aws_security_group.tasks.id
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "internet" {
  for_each = toset(local.internet_ports)

  security_group_id = aws_security_group.tasks.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = tonumber(each.value)
  to_port           = tonumber(each.value)
}

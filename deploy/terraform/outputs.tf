output "environment" {
  description = "Names and addresses that people and producers need."
  value       = module.event_platform.environment
}

"""What is exposed to Prometheus, and what dashboard and alerts make of it."""

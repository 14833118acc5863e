"""Asset checks, evaluated for each partition. Each module computes figures and compares them with a limit."""

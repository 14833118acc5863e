"""The assets: short bodies that run a step and report what it did, partition by partition."""

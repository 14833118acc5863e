"""The assets: short bodies that run a step and report its figures by partition."""

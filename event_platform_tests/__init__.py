"""Tests, laid out as the package is; each reads like a sentence about what the platform does."""

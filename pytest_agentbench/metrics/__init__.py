"""Metrics: an estimate from the samples of a case, found by name."""

"""Checks: a function of one sample each, found by name."""

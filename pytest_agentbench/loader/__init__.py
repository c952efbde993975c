"""Scenario files: YAML text to scenarios, every mistake with its place."""

"""Comparing what came with what was expected: values, patterns, and which of several belongs to which."""

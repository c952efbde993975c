"""Closed forms on counts: bounds, sequential tests, prompt sensitivity, comparisons."""

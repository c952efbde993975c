"""Repetition loops in text and among tool calls."""

"""Sandboxes: backends that run untrusted code."""

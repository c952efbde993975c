"""The gauge held against a known length: simulated sessions with known faults, in this process.

What is counted, how often the intervals cover the truth, and how often a verdict is false.
"""

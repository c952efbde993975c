"""Turn YAML agent scenarios into pytest items with statistical verdicts on language models."""

__version__ = "0.1.0"

"""What a run looks like in the terminal, as Markdown and as JSON."""

"""One sample: prompt, tool calls, answer."""

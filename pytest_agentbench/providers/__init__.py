"""Models: presets, requests, the client, weights served locally."""

"""The pytest side of the plugin: hooks only."""

"""The catalog of services: its table, which other domains refer to, and look-ups by name."""

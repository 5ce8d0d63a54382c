"""Escalation policies: their table, which other domains refer to, and look-ups by id."""

"""Silences: matchers that mute alerts for a time, with a reason."""

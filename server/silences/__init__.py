"""Silences: which alerts are muted, until when, and why."""

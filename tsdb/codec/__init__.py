"""Columns to bytes and back, pure: no files, no labels, no time."""

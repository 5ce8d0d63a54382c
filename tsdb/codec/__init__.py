"""Encodes columns as bytes and decodes them: no files, no labels, no time."""

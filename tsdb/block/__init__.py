"""Immutable files of samples: written once, renamed into place, read a page at a time."""

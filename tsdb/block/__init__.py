"""Immutable files of samples: written once, renamed into place, read page by page."""

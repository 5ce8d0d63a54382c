"""Caches of values that several requests share, bounded and versioned."""

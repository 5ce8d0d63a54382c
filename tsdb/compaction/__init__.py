"""Small blocks become larger ones, and old ones go: what to merge, how, and what to keep."""

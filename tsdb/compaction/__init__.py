"""Flushes and compaction: which blocks to write, merge or remove, and how to merge them."""

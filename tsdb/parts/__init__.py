"""Immutable parts of a store, and the runs of samples in them."""

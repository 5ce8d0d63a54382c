"""Samples of a store, or of any other source, as files that other programs read.

`samples` cuts a selection into Arrow batches of bounded size; the other modules write those.
"""

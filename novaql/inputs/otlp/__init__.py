"""OTLP metrics as exporters send them, read by a compiled walk.

The walk reads gauges, cumulative sums and classic histograms. It leaves all other points, and those
that it cannot read or that are invalid, to the caller, which knows all of OTLP.
"""

"""Sums of floats that have no rounding error before the end, so that they have no order either."""

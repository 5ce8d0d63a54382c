"""Kernels compiled by numba: twins of the NumPy ones, loaded by `kernels.dispatch` alone."""

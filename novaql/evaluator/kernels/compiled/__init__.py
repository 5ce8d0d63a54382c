"""Kernels for numba: twins of those in NumPy. `kernels.dispatch.KERNELS` alone loads them."""

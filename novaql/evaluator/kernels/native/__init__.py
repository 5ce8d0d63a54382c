"""Kernels over native histograms: whole columns of them in, columns and masks out."""

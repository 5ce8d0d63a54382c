"""The implementations of plan nodes: operators work on series and labels, and call kernels."""

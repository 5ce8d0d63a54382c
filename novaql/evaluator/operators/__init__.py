"""What a plan node does: operators work on series and labels, and call kernels."""

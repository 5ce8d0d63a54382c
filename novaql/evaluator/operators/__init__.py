"""What a plan node does: operators know series and labels, and call kernels."""

"""Values that several requests share, bounded and versioned."""

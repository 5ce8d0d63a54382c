"""Arrays in, arrays out: no labels, no plans, no Python loop over samples."""

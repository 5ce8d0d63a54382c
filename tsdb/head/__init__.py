"""Recent samples in memory: cheap to add to, cheap to look at."""

"""The newest samples, in memory: cheap to append to, sorted when they are read."""

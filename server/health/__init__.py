"""Whether the server lives, whether it is ready, and how it does."""

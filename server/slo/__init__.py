"""Service level objectives: how much failure a service may afford, and how fast it spends it."""

"""Prometheus's configuration file: what it may hold, and whether it does."""

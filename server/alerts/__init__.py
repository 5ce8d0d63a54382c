"""Alerts over HTTP, and as Prometheus shows them."""

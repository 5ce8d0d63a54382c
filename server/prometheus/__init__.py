"""Prometheus's HTTP API over the tenant's store, for Grafana, promtool and remote writers.

Formats, status codes and error messages are Prometheus's. `/prometheus/api/v1` and `/api/v1` serve
the same endpoints.
"""

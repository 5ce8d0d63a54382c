"""Prometheus's HTTP API over the server's store, for Grafana, promtool and remote writers.

Formats, status codes and texts are Prometheus's; the same endpoints stand below
`/prometheus/api/v1` and `/api/v1`.
"""

"""Alerts over HTTP, in the API's own format and in that of Prometheus."""

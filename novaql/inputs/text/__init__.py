"""Text formats as samples: OpenMetrics, Prometheus, Influx, JSON lines."""

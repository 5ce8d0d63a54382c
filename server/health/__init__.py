"""Health checks, the server's own metrics, and the OpenAPI document."""

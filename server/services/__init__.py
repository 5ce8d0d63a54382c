"""The catalog of services: their owners, health, and dependencies."""

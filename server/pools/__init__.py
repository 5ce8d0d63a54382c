"""Threads and memory that tenants share in turn."""

"""Outgoing requests, which never enter networks that are not public."""

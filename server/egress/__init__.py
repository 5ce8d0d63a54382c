"""Requests to other servers, never into a network that is not public."""

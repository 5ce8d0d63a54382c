"""Data that is fetched over HTTP."""

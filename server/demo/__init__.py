"""The demo: a day of a small fleet that goes on live, this machine's own metrics, and a server."""

"""Queries over the server's store: POST /v1/novaql, and the engine as every base uses it."""

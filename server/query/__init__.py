"""Queries of the tenant's store: POST /v1/novaql, and the query execution that all bases share."""

"""The HTTP layer of the API: routes with admission, strict input, one transaction each, and API
versions."""

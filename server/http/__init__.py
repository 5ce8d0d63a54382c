"""HTTP of the API: routes with admission, strict input, one transaction each, and versions."""

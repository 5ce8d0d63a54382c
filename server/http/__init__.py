"""HTTP of the API: routes of FastAPI with admission, strict input, and one transaction each."""

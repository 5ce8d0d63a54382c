"""SQL over metrics, by DuckDB: `session` is the door, `dataset` what DuckDB reads through."""

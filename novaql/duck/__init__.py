"""SQL over metrics, by DuckDB: `session` is the entry point, `dataset` is what DuckDB scans."""

"""Parquet files that are read selector by selector, without the rest of them in memory."""

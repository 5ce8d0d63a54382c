"""Everything that is not a database, read as metrics."""

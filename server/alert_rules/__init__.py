"""Alert rules: defined, evaluated, and their alerts stored."""

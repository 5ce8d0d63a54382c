"""Alert rules: their definition, their evaluation, and the state of their alerts."""

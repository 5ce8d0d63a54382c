"""Sealed secrets, signatures, and what hides secrets in snapshots. Knows no database."""

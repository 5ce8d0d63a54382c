"""Sealed secrets, signatures, and redaction of secrets in snapshots. Uses no database."""

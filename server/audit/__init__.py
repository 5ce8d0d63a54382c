"""The audit log: search entries, show an entry with its difference, and export entries."""

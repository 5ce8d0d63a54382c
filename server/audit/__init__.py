"""The audit log: who did what, searched, shown with its difference, and exported."""

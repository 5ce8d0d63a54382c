"""Alembic's environment, and the platform's own migrations.

Each domain keeps its migrations in a folder `migrations` of its own, as a branch that depends on
the platform's: two domains can grow at the same time without touching each other.
"""

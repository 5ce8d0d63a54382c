"""Alembic's environment, and the platform's own migrations.

Each domain has a folder `migrations` of its own. Its migrations form a branch that depends on the
platform's, so that the domains change their tables independently.
"""
